import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import type { ReadableStream as NodeWebStream } from "node:stream/web";
import type { Artifact, RunEvent } from "../core/event.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import { decodeEvent } from "../engine/codec.ts";
import type { RunRow, Store } from "../store/store.ts";
import type { AppDeps } from "./app-deps.ts";
import { IF_NONE_MATCH, tagOf, unchanged } from "./etag.ts";
import { refuseRemovedPart } from "./removed-run.ts";
import { bytes, object } from "./respond.ts";
import { route } from "./route.ts";

export const listArtifacts = route({
  method: "GET",
  path: "/v1/runs/{run}/artifacts",
  operation: "listRunArtifacts",
  access: { action: "run.read", as: "read" },
  summary: "Files the run's steps left behind: of each step its last successful attempt's.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "ArtifactList",
      description: "`artifacts`: task, item, name, digest and size of each.",
    },
  ],
  async handle(deps, { params, access }) {
    const run = await access.onRun(params.run);
    await refuseRemovedPart(deps.store, run, "artifacts");
    return object("ArtifactList", { run: run.id, artifacts: await artifactsOf(deps, run) });
  },
});

export const readArtifact = route({
  method: "GET",
  path: "/v1/runs/{run}/artifacts/{digest}",
  operation: "readRunArtifact",
  access: { action: "artifact.read", as: "evidence" },
  summary: "The bytes of one of the run's artifacts.",
  headers: [IF_NONE_MATCH],
  answers: [
    { status: 200, type: "application/octet-stream", description: "The file. With `ETag`; 304 for `If-None-Match`." },
  ],
  async handle(deps, { request, params, access }) {
    const run = await access.onRun(params.run);
    await refuseRemovedPart(deps.store, run, "artifacts");
    const found = (await artifactsOf(deps, run)).find(({ digest }) => digest === params.digest);
    if (found === undefined)
      throw new MaestroError("not_found", `Run ${run.id} has no artifact with digest ${params.digest.slice(0, 100)}.`, {
        fix: `List them: \`maestro show ${run.id} --artifacts\`.`,
      });
    const same = unchanged(request, found.digest);
    if (same !== undefined) return same;
    const path = await deps.blobs.path(found.digest);
    if (path === undefined)
      throw new MaestroError(
        "store_corrupt",
        `The file of artifact ${found.name} (${found.digest}) is missing from the blob store.`,
      );
    const stream = Readable.toWeb(createReadStream(path)) as NodeWebStream<Uint8Array>;
    return bytes(stream, "application/octet-stream", {
      "content-length": String(found.size),
      etag: tagOf(found.digest),
    });
  },
});

interface RunArtifact extends Omit<Artifact, "path"> {
  readonly task: string;
  readonly item: number;
}

async function artifactsOf({ store, blobs }: AppDeps, run: RunRow): Promise<readonly RunArtifact[]> {
  const fanOuts = await fanOutTasks(store, run);
  const byStep = new Map<string, readonly RunArtifact[]>();
  for (let afterSeq = 0; ;) {
    const page = await store.runEvents(run.id, { afterSeq, limit: 1000 });
    const last = page.at(-1);
    if (last === undefined) return [...byStep.values()].flat();
    for (const { text } of page) {
      if (!MAY_HAVE_ARTIFACTS.test(text)) continue;
      for (const { task, item, artifacts } of artifactsIn(await decodeEvent(text, blobs), fanOuts)) {
        byStep.set(
          `${task}[${item}]`,
          artifacts.map(({ name, digest, size }) => ({ task, item, name, digest, size })),
        );
      }
    }
    afterSeq = last.seq;
  }
}

/** Looked at before parsing: most events of a large run have none. A large result was moved to the blob store whole. */
const MAY_HAVE_ARTIFACTS = /"artifacts"|"blobs"/;

async function fanOutTasks(store: Store, run: RunRow): Promise<ReadonlySet<string>> {
  const stored = await store.planGet(run.planDigest);
  const { tasks } = stored === undefined ? { tasks: [] } : (JSON.parse(stored.text) as Plan);
  return new Set(tasks.flatMap(({ id, forEach }) => (forEach === undefined ? [] : [id])));
}

function artifactsIn(
  event: RunEvent,
  fanOuts: ReadonlySet<string>,
): readonly { readonly task: string; readonly item: number; readonly artifacts: readonly Artifact[] }[] {
  switch (event.kind) {
    case "attempt_finished":
    case "step_cached":
      return [{ task: event.task, item: event.item, artifacts: event.result.artifacts ?? [] }];
    case "task_reused":
      return event.results.map((result, i) => ({
        task: event.task,
        item: fanOuts.has(event.task) ? i : -1,
        artifacts: result.artifacts ?? [],
      }));
    default:
      return [];
  }
}
