// An engine put together as serve.ts does, with parts exchanged: to see what a part costs, or to look at its boundary.
import { generateKeyPairSync, randomInt } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Actor } from "../packages/maestro/src/core/event.ts";
import { makeId } from "../packages/maestro/src/core/id.ts";
import { steadyClock } from "../packages/maestro/src/engine/clock.ts";
import { DurableEngine } from "../packages/maestro/src/engine/durable.ts";
import { DEFAULT_LIMITS } from "../packages/maestro/src/engine/limits.ts";
import { pooledRandomBytes } from "../packages/maestro/src/engine/random-bytes.ts";
import { runLoop } from "../packages/maestro/src/engine/loop.ts";
import type { EngineParts } from "../packages/maestro/src/engine/parts.ts";
import { builtinEvaluator } from "../packages/maestro/src/policy/builtin.ts";
import { openGate } from "../packages/maestro/src/policy/open-gate.ts";
import { createSigner } from "../packages/maestro/src/provenance/signer.ts";
import { executeAttempt } from "../packages/maestro/src/runner/attempt.ts";
import { openLogs } from "../packages/maestro/src/runner/log-files.ts";
import { openProcessRunner } from "../packages/maestro/src/runner/process.ts";
import { openBlobs } from "../packages/maestro/src/store/blob-files.ts";
import { openSqlite } from "../packages/maestro/src/store/sqlite.ts";
import { taskTypes } from "../packages/maestro/src/task/catalogue.ts";
import { VERSION } from "../packages/maestro/src/version.ts";

export interface BenchEngine {
  readonly engine: DurableEngine;
  readonly owner: Actor;
  close(): Promise<void>;
}

/**
 * The same types, but noop says that it writes. The engine runs steps that only compute ahead of the commit of their start;
 * a step with an effect is asked for at the gate and starts only when that and its start are durable.
 */
export function withEffect(types: EngineParts["types"]): EngineParts["types"] {
  const noop = types.get("noop@1");
  if (noop === undefined) throw new Error("this installation has no noop@1");
  return new Map([...types, ["noop@1", { ...noop, description: { ...noop.description, effects: ["write"] } }]]);
}

export const BUILDER = "https://example.test/bench";

/** `change` sees the parts as they would be and returns those to use instead. */
export async function openEngine(
  dir: string,
  change: (parts: EngineParts) => Partial<EngineParts> = () => ({}),
): Promise<BenchEngine> {
  const clock = steadyClock();
  const randomBytes = pooledRandomBytes();
  const owner: Actor = { type: "user", id: "bench", roles: ["owner"] };
  const blobs = await openBlobs(join(dir, "blobs"));
  const workDir = join(dir, "work");
  const runner = await openProcessRunner({ workDir, hostname: hostname(), hidden: [dir] });
  const host = {
    runner,
    logs: openLogs(join(dir, "logs")),
    blobs,
    now: () => clock.now(),
    environment: () => undefined,
  };
  const parts: EngineParts = {
    store: await openSqlite({ path: join(dir, "maestro.db") }),
    blobs,
    gate: openGate({ evaluator: builtinEvaluator(), newId: () => makeId("d", clock.now(), randomBytes(10)) }),
    signer: createSigner(generateKeyPairSync("ed25519").privateKey, BUILDER),
    types: taskTypes(),
    execute: async (request) => executeAttempt(request, host),
    clock,
    randomBytes,
    random: () => randomInt(2 ** 32) / 2 ** 32,
    workDir,
    version: VERSION,
    environment: "bench",
    limits: DEFAULT_LIMITS,
    passive: false,
    log: (level, message, fields) => {
      if (level !== "info") console.error(message, fields);
    },
  };
  const engine = new DurableEngine({ ...parts, ...change(parts) });
  await engine.recover();
  const loop = runLoop(engine, clock);
  return {
    engine,
    owner,
    async close() {
      await engine.drain(0);
      loop.stop();
      await parts.store.close();
    },
  };
}
