import type { Catalog } from "../catalog/catalog.ts";
import type { FolderWatch } from "../catalog/watch-folder.ts";
import { messageOf } from "../core/problem.ts";
import type { ControlPlaneOptions } from "../serve.ts";
import { VERSION } from "../version.ts";
import type { Base } from "./base.ts";
import type { Tasks } from "./tasks.ts";

/** What lies in a watched folder is taken in when it resolves. */
export async function openCatalog(base: Base & Tasks): Promise<Catalog> {
  const { store, keys, now, options, atEnd } = base;
  let folder: FolderWatch | undefined;
  const catalog: Catalog = {
    store,
    signer: keys.signer,
    trustRoot: keys.trustRoot,
    version: VERSION,
    folder: () => folder?.view,
    now,
  };
  if (options.manifests !== undefined) {
    folder = await watchFolder(base, options.manifests);
    atEnd(() => folder?.close() ?? Promise.resolve());
  }
  return catalog;
}

/** Loaded where there is a folder to watch: most commands watch none. */
async function watchFolder(
  { store, keys, now, log, descriptions }: Base & Tasks,
  manifests: NonNullable<ControlPlaneOptions["manifests"]>,
): Promise<FolderWatch> {
  const { FolderWatch: Watch } = await import("../catalog/watch-folder.ts");
  const { logLine } = await import("../catalog/change-log.ts");
  return Watch.open({
    ...manifests,
    env: { store, trustRoot: keys.trustRoot, descriptions, now },
    now,
    changed(change) {
      if (manifests.changed === undefined) log(...logLine(change));
      else manifests.changed(change);
    },
    failed: (error) => log("error", "the folder of manifests could not be looked at", { error: messageOf(error) }),
  });
}
