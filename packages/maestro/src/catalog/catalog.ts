import type { Signer } from "../provenance/signer.ts";
import type { TrustRoot } from "../provenance/trust.ts";
import type { Store } from "../store/store.ts";
import type { FolderWorkflows } from "./folder-workflows.ts";

/**
 * The workflows of an installation, by where they come from:
 * `published` versions are signed and never change; those of a watched `folder` are under development and are what their
 * file says now; of the others it is only known that they ran (`run`).
 */
export interface Catalog {
  readonly store: Store;
  readonly signer: Signer;
  readonly trustRoot: TrustRoot;
  /** Maestro's. */
  readonly version: string;
  /** The folder that is watched, where one is. */
  readonly folder: () => FolderWorkflows | undefined;
  now(): number;
}

export const SOURCES = ["folder", "published", "run"] as const;
export type WorkflowSource = (typeof SOURCES)[number];
