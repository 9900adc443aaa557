import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MaestroError } from "../core/problem.ts";
import { isTerminal } from "../core/run.ts";
import type { RunView } from "../engine/engine.ts";
import type { ApprovalRow, RunPage, RunRow } from "../store/store.ts";
import type { Client } from "./client.ts";
import { demoScenes, standsAt } from "./demo-scenes.ts";
import type { Act, Scene, Stand } from "./demo-scenes.ts";
import { shippedRunbook } from "./shipped-runbooks.ts";

/** A scene that was played, and its run as it stands. */
export interface Played {
  readonly scene: Scene;
  readonly run: RunRow;
}

/** A scene that takes longer than this is told as a failure of the demo. */
const SCENE_MS = 60_000;
const LOOK_EVERY_MS = 10;

/**
 * Fills a control plane that has no runs yet with those of catalog/demo, by its API: publishes the runbooks, starts each run and
 * steers it to where its scene wants it. Ends early, without an error, when `signal` comes.
 * Errors: `conflict` where there are runs, `not_found`, `internal` where a run does something else.
 */
export async function makeDemo(client: Client, seed: number, signal: AbortSignal): Promise<readonly Played[]> {
  const { runs } = await client.get<RunPage>("/v1/runs", { limit: 1 });
  if (runs.length > 0)
    throw new MaestroError("conflict", "There are runs here already, and the demo would be mixed with them.", {
      fix: "Give it a data directory of its own, `maestro up --demo --data DIR`. One that has the demo already starts with `maestro up`.",
    });
  const scenes = demoScenes(seed);
  const plans = await publish(client, new Set(scenes.map(({ workflow }) => workflow)));
  const played: Played[] = [];
  for (const scene of scenes) {
    const run = await play(
      client,
      scene,
      { plan: plans.get(scene.workflow) ?? "", labels: { demo: String(seed) } },
      signal,
    );
    if (signal.aborted) break;
    played.push({ scene, run });
  }
  return played;
}

/** The digest of each runbook's plan by its name. What another uses comes before it. */
async function publish(client: Client, names: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  const { folder } = await shippedRunbook("demo");
  const plans = new Map<string, string>();
  for (const name of names) {
    const file = `${name}.maestro.yaml`;
    const manifest = await readFile(join(folder, file), "utf8");
    const body = { manifest, file: `catalog/demo/${file}` };
    plans.set(name, (await client.send<{ readonly planDigest: string }>("POST", "/v1/workflows", body)).planDigest);
  }
  return plans;
}

async function play(
  client: Client,
  { name, purpose, authority, inputs, acts = [], until, child }: Scene,
  start: { readonly plan: string; readonly labels: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<RunRow> {
  const body = { ...start, name, purpose, authority, inputs };
  const { run } = await client.send<{ readonly run: RunRow }>("POST", "/v1/runs", body);
  const look = (): Promise<RunView> => client.get(`/v1/runs/${run.id}`);
  const late = performance.now() + SCENE_MS;
  const wait = async (there: () => Promise<boolean>): Promise<void> => {
    while (!signal.aborted && !(await there())) {
      if (performance.now() > late) throw lost(name, run.id);
      await sleep(LOOK_EVERY_MS);
    }
  };
  const stand = async (at: Stand): Promise<void> =>
    wait(async () => {
      const view = await look();
      if (standsAt(view, at)) return true;
      // It goes nowhere from here.
      if (isTerminal(view.run.status)) throw lost(name, run.id);
      return false;
    });
  for (const [at, what] of acts) {
    await stand(at);
    if (!signal.aborted) await act(client, run.id, what);
  }
  await stand(until);
  if (child !== undefined)
    await wait(async () => {
      const page = await client.get<RunPage>("/v1/runs", { parent: run.id, workflow: child.workflow });
      return page.runs.some(({ status }) => status === child.status);
    });
  return (await look()).run;
}

function lost(name: string, run: string): MaestroError {
  return new MaestroError("internal", `The run ${name} of the demo did not come to where it should stay.`, {
    facts: { run },
    fix: `See what it did: maestro show ${run}. Then make the demo again in another directory.`,
  });
}

async function act(client: Client, run: string, what: Act): Promise<void> {
  switch (what.kind) {
    case "cancel":
      return client.send("PATCH", `/v1/runs/${run}`, { action: "cancel", reason: what.reason });
    case "retry":
      return client.send("PATCH", `/v1/runs/${run}`, { action: "retry" });
    case "signal":
      return client.send("POST", `/v1/runs/${run}/signals`, { name: what.name, payload: what.payload });
    case "answer": {
      const { approvals } = await client.get<{ readonly approvals: readonly ApprovalRow[] }>("/v1/approvals", { run });
      for (const { id, planDigest } of approvals)
        await client.send("POST", `/v1/approvals/${id}`, {
          verdict: what.verdict,
          plan: planDigest,
          reason: what.reason,
        });
    }
  }
}
