// What the benches run: a control plane as `maestro` opens it, and the runbooks they start on it.
import { resolveManifest } from "../packages/maestro/src/catalog/resolve.ts";
import { canonical } from "../packages/maestro/src/core/canonical.ts";
import { sha256 } from "../packages/maestro/src/core/digest.ts";
import type { RunEvent } from "../packages/maestro/src/core/event.ts";
import type { JsonObject, JsonValue } from "../packages/maestro/src/core/json.ts";
import type { DurableEngine } from "../packages/maestro/src/engine/durable.ts";
import type { Limits } from "../packages/maestro/src/engine/limits.ts";
import type { ControlPlane } from "../packages/maestro/src/serve.ts";
import { openControlPlane } from "../packages/maestro/src/serve.ts";
import type { RunRow, StoredPlan } from "../packages/maestro/src/store/store.ts";

export async function openPlane(dataDir: string, limits: Partial<Limits> = {}): Promise<ControlPlane> {
  return openControlPlane({ dataDir, limits });
}

export const STEPS = 5;

/** W1, W2, W4: five steps that do nothing, one after the other. */
export const FIVE_STEPS = runbook(
  "five-steps",
  Object.fromEntries(
    Array.from({ length: STEPS }, (_, i) => [
      `s${i}`,
      { uses: "noop@1", with: { value: i }, ...(i === 0 ? {} : { needs: [`s${i - 1}`] }) },
    ]),
  ),
);

/** W3: one step per item, all at once, and one that waits for all of them. */
export const FAN_OUT = runbook(
  "fan-out",
  {
    each: { forEach: { items: "inputs.items", as: "n", max: 1_000 }, uses: "noop@1", with: { value: "${{ n }}" } },
    join: { uses: "noop@1", with: { value: "${{ tasks.each.succeeded }}" } },
  },
  { items: { type: "array", items: { type: "integer" } } },
);

/** W5: asleep on a durable timer. */
export function sleeper(seconds: number): string {
  return runbook("sleeper", {
    sleep: { uses: "wait@1", with: { duration: `${seconds}s` } },
    after: { needs: ["sleep"], uses: "noop@1", with: { value: 1 } },
  });
}

/** One step per item, each carried out by the program of that type. */
export function fanOutTo(uses: string): string {
  return runbook(
    "programs",
    {
      each: {
        forEach: { items: "inputs.items", as: "n", max: 1_000 },
        uses,
        with: { n: "${{ n }}" },
        timeout: { run: "1m" },
      },
    },
    { items: { type: "array", items: { type: "integer" } } },
  );
}

/** Leaves a log of a few lines. */
export const ECHO = runbook("echo", {
  say: { uses: "exec@1", timeout: { run: "1m" }, with: { script: "for i in 1 2 3 4 5; do echo line $i; done" } },
});

/** Prints a file many times, as fast as it is read; then again into the next item's log, one command at a time. */
export const PRINT = runbook(
  "print",
  {
    print: {
      forEach: { items: "inputs.items", as: "n", max: 1 },
      uses: "exec@1",
      with: {
        script: 'i=0; while [ $i -lt "$TIMES" ]; do cat "$FILE"; i=$((i+1)); done',
        env: { FILE: "${{ inputs.file }}", TIMES: "${{ string(inputs.times) }}" },
      },
      runner: { kind: "process", sandbox: "none" },
    },
  },
  {
    file: { type: "string" },
    times: { type: "integer" },
    items: { type: "array", items: { type: "integer" } },
  },
);

function runbook(name: string, tasks: JsonObject, inputs: JsonObject = {}): string {
  const spec = { type: "demo", purposes: ["bench"], license: "internal", inputs, tasks };
  return JSON.stringify({
    apiVersion: "maestro/v1",
    kind: "Runbook",
    metadata: { namespace: "bench", name, version: "1.0.0" },
    spec,
  });
}

export async function compile(engine: DurableEngine, manifest: string): Promise<StoredPlan> {
  const { store, clock, types } = engine.parts;
  const descriptions = new Map([...types].map(([name, type]) => [name, type.description] as const));
  const { plan, diagnostics } = await resolveManifest(manifest, "bench.json", {
    store,
    descriptions,
    now: () => clock.now(),
  });
  if (plan === null) throw new Error(`the bench's own runbook is wrong: ${JSON.stringify(diagnostics)}`);
  const text = canonical(plan as unknown as JsonValue);
  const { namespace, name, version, digest } = plan.workflow;
  return {
    digest: sha256(text),
    namespace,
    name,
    version,
    manifestDigest: digest,
    text,
    manifest,
    createdAt: clock.now(),
  };
}

export async function start(
  plane: Pick<ControlPlane, "engine" | "owner">,
  plan: StoredPlan,
  inputs: JsonObject = {},
): Promise<RunRow> {
  return plane.engine.start({ plan, inputs, purpose: "bench", authority: "none", initiator: plane.owner });
}

const AT_ONCE = 2_000;

/** Starts `count` runs, at most AT_ONCE waiting for their answer: the engine refuses more than its mailbox holds. */
export async function startMany(
  plane: Pick<ControlPlane, "engine" | "owner">,
  plan: StoredPlan,
  count: number,
  acknowledged: (id: string) => void = () => undefined,
): Promise<readonly string[]> {
  const ids: string[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const row = await start(plane, plan);
      ids.push(row.id);
      acknowledged(row.id);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, worker));
  return ids;
}

/** Resolves when that many more runs have ended durably, each as it should. */
export async function ends(
  engine: DurableEngine,
  count: number,
  seen: (run: string) => void = () => undefined,
  counts: (run: string) => boolean = () => true,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let left = count;
    const stop = engine.subscribe("*", (run: string, events: readonly RunEvent[]) => {
      const last = events.at(-1);
      if (last?.kind !== "run_ended" || !counts(run)) return;
      if (last.status !== "succeeded") reject(new Error(`run ${run} ${last.status}: ${last.error?.message ?? ""}`));
      seen(run);
      left -= 1;
      if (left > 0) return;
      stop();
      resolve();
    });
  });
}
