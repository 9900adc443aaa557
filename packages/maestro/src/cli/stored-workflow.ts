import type { WorkflowSource } from "../catalog/catalog.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import type { Client } from "./client.ts";

/** A workflow as `GET /v1/workflows/{name}` gives it. */
export interface StoredWorkflow {
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  readonly source: WorkflowSource;
  readonly planDigest: string;
  readonly manifestDigest: string;
  readonly createdAt: number;
  readonly manifest: string;
  readonly plan: Plan;
  readonly signature: JsonObject | null;
  readonly versions: readonly { readonly version: string; readonly planDigest: string; readonly createdAt: number }[];
}

export async function getStored(client: Client, reference: string): Promise<StoredWorkflow> {
  return client.get<StoredWorkflow>(`/v1/workflows/${encodeURIComponent(reference)}`);
}
