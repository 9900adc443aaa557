import { randomInt, randomUUID } from "node:crypto";
import { messageOf } from "../core/problem.ts";
import { DurableEngine } from "../engine/durable.ts";
import { DEFAULT_LIMITS } from "../engine/limits.ts";
import { runLoop } from "../engine/loop.ts";
import { leaseDesk } from "../identity/lease-desk.ts";
import { tokenDesk } from "../identity/workload.ts";
import { Retention } from "../operations/retention.ts";
import type { AttemptDeps } from "../runner/attempt.ts";
import { executeAttempt } from "../runner/attempt.ts";
import { VERSION } from "../version.ts";
import type { Base } from "./base.ts";
import type { Governance } from "./governance.ts";
import type { Tasks, Workplace } from "./tasks.ts";

/** What the engine is made of. */
type Parts = Base & Workplace & Tasks & Governance;

/** At work when it resolves; a passive one has only read what there is to do. */
export async function startEngine(parts: Parts): Promise<DurableEngine> {
  const { clock, passive, runner, log, atEnd } = parts;
  const engine = makeEngine(parts);
  if (!passive) {
    const reaped = await runner.reap();
    if (reaped > 0) log("warn", "processes of an engine that died were ended", { processes: reaped });
    await engine.recover();
  }
  const loop = runLoop(engine, clock);
  atEnd(async () => loop.stop());
  return engine;
}

export function startRetention(
  { store, blobs, dataDir, now, log, passive, atEnd }: Base,
  engine: DurableEngine,
): Retention {
  const isLoaded = (run: string): boolean => engine.live.has(run);
  const retention = new Retention({ store, blobs, dataDir, now, isLoaded, log });
  atEnd(() => retention.close());
  if (!passive) retention.start();
  return retention;
}

function makeEngine(parts: Parts): DurableEngine {
  const { store, blobs, keys, clock, randomBytes, passive, telemetry, options, workDir, types, policy } = parts;
  const host = attemptHost(parts);
  return new DurableEngine({
    store,
    blobs,
    gate: policy.gate,
    signer: keys.signer,
    types,
    execute: async (request) => executeAttempt(request, host),
    clock,
    randomBytes,
    random: () => randomInt(2 ** 32) / 2 ** 32,
    workDir,
    version: VERSION,
    environment: policy.live.settings.environment,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    passive,
    ...telemetry.engineParts,
  });
}

function attemptHost(parts: Parts): AttemptDeps {
  const { runner, logs, blobs, now, environment, log, audit, issuer, tokenFolder } = parts;
  const { gate } = parts.policy;
  return {
    runner,
    logs,
    blobs,
    now,
    environment,
    lease: leaseDesk({ gate, audit, now }),
    tokens: tokenDesk({
      issuer,
      gate,
      audit,
      folder: tokenFolder,
      now,
      newId: () => randomUUID(),
      fault: (error) => log("error", "a token could not be made", { error: messageOf(error) }),
    }),
  };
}
