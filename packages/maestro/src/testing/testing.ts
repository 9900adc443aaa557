import { AssertionError } from "node:assert";
import { fileURLToPath } from "node:url";
import type { JsonValue } from "../core/json.ts";
import type { Digest } from "../core/digest.ts";
import type { RunEvent } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import type { RunView } from "../engine/engine.ts";
import type { TaskType } from "../task/task.ts";
import { TaskFailure } from "../task/task.ts";
import type { CancelScript, Expect, Failure, Person, TestCase, Vote } from "./case.ts";
import { checkCase } from "./check-case.ts";
import { differenceLines } from "./difference.ts";
import { differences } from "./expect.ts";
import { durationMs } from "./fakes.ts";
import { branchesSeen } from "./coverage.ts";
import type { RunRecord } from "./record.ts";
import type { Finished, History } from "./run-case.ts";
import { finishedOf, runCase } from "./run-case.ts";
import type { Runbook } from "./runbook.ts";
import { loadRunbook } from "./runbook.ts";
import { seenHere } from "./seen-here.ts";
import { actorOf, World } from "./world.ts";

/**
 * `@summit/maestro/testing`: runbooks under test, from node:test or any other runner. Runs are those of the real engine;
 * time is skipped, and the world is what the case says.
 */
export interface TestOptions extends TestCase {
  /** What must come of it; compared when the run has ended. */
  readonly expect?: Expect;
  /** Task types beside those of the installation. */
  readonly types?: readonly TaskType[];
}

/**
 * Lets a run go from start to end and checks `expect`. Rejects with an AssertionError that shows every difference, and with
 * `invalid_test` where the case itself is wrong.
 */
export async function testRunbook(manifest: string | URL, options: TestOptions = {}): Promise<Finished> {
  const { expect, types, ...test } = options;
  const path = pathOf(manifest);
  const runbook = await runbookOf(path, types);
  checkCase(runbook, test, expect);
  const finished = await runCase(runbook, test, path);
  note(runbook, finished.histories);
  if (expect !== undefined) assertRun(finished.record, expect);
  return finished;
}

/** A world to be led step by step; close it with `await using`. Its run begins with `start`. */
export async function openWorld(manifest: string | URL, options: Omit<TestOptions, "expect"> = {}): Promise<TestWorld> {
  const { types, ...test } = options;
  const path = pathOf(manifest);
  const runbook = await runbookOf(path, types);
  checkCase(runbook, test);
  return new TestWorld(await World.open(runbook, test, path));
}

/** Throws an AssertionError with every difference. */
export function assertRun(record: RunRecord, expect: Expect): void {
  const found = differences(expect, record);
  if (found.length === 0) return;
  const error =
    record.error === null ? "" : `\nThe run ${record.status}: ${record.error.code}: ${record.error.message}`;
  throw new AssertionError({
    message: `The run is not as expected.\n${found.flatMap(differenceLines).join("\n")}${error}`,
    actual: Object.fromEntries(found.map(({ path, actual }) => [path.join("."), actual])),
    expected: Object.fromEntries(found.map(({ path, expected }) => [path.join("."), expected])),
    operator: "assertRun",
  });
}

/** What a fake function throws to fail. */
export function fail(failure: string | Failure): Error {
  const error = typeof failure === "string" ? { code: failure } : failure;
  return new TaskFailure({ message: "as the test says", ...error });
}

/** A run that stops where the test wants to look. Nothing answers by itself here: the test votes, signals and cancels. */
export class TestWorld implements AsyncDisposable {
  readonly #world: World;
  #run: string | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#run !== undefined) note(this.#world.runbook, finishedOf(this.#world, this.#run).histories);
    await this.#world[Symbol.asyncDispose]();
  }

  /** The world's time, epoch milliseconds. */
  get now(): number {
    return this.#world.now;
  }

  /** Starts the run and lets everything happen that needs no time. Errors: as a start in production. */
  async start(): Promise<this> {
    this.#run = await this.#world.start();
    return this;
  }

  /** Lets time pass (`90s`, `2h`); nobody waits for it. */
  async pass(duration: string): Promise<this> {
    await this.#world.pass(durationMs(duration));
    return this;
  }

  /** The run as people see it, with why each task waits. */
  async view(): Promise<RunView> {
    return this.#world.view(this.run);
  }

  /** Votes on the approval that the task waits for. Errors: `not_found`, and those of a vote in production. */
  async vote(task: string, vote: Vote = {}): Promise<this> {
    const events = this.#world.events.get(this.run) ?? [];
    const request = events.findLast((event) => event.kind === "approval_requested" && event.task === task);
    if (request?.kind !== "approval_requested")
      throw new MaestroError("not_found", `${task} has not asked for an approval`);
    const by = actorOf(vote.by ?? { id: "approver-1", roles: request.roles });
    const { approval, planDigest } = request;
    const { verdict = "approve", reason = "the test says so" } = vote;
    await this.#world.send(this.run, { kind: "approve", approval, verdict, by, planDigest, reason });
    return this;
  }

  async signal(name: string, payload: JsonValue = null, by: Person = "tester"): Promise<this> {
    await this.#world.send(this.run, { kind: "signal", name, payload, by: actorOf(by, ["owner"]) });
    return this;
  }

  async cancel({
    by = "tester",
    reason = "the test cancels it",
    force = false,
  }: Omit<CancelScript, "after" | "during"> = {}): Promise<this> {
    await this.#world.send(this.run, { kind: "cancel", by: actorOf(by, ["owner"]), reason, force });
    return this;
  }

  /** Tries again what failed, in the same run. */
  async retry(tasks?: readonly string[]): Promise<this> {
    const by = this.#world.initiator;
    await this.#world.send(this.run, { kind: "retry", by, ...(tasks === undefined ? {} : { tasks }) });
    return this;
  }

  /** The run's events so far. */
  events(): readonly RunEvent[] {
    return this.#world.events.get(this.run) ?? [];
  }

  /** What has come of the run so far. */
  record(): RunRecord {
    return finishedOf(this.#world, this.run).record;
  }

  /** Compares what has come of the run so far. */
  expect(expected: Expect): this {
    checkCase(this.#world.runbook, {}, expected);
    assertRun(this.record(), expected);
    return this;
  }

  get planDigest(): Digest {
    return this.#world.runbook.digest;
  }

  private get run(): string {
    if (this.#run === undefined)
      throw new MaestroError("invalid_test", "the run has not been started: call start() first");
    return this.#run;
  }
}

/** For the coverage of the runbook; child runs count for theirs only where they are tested themselves. */
function note({ path, digest, plan }: Runbook, histories: readonly History[]): void {
  const branches = new Set<string>();
  for (const history of histories)
    if (history.plan === plan) for (const branch of branchesSeen(plan, history.events)) branches.add(branch);
  seenHere.push({ manifest: path, digest, branches });
}

function pathOf(manifest: string | URL): string {
  return manifest instanceof URL || manifest.startsWith("file:") ? fileURLToPath(manifest) : manifest;
}

/** Compiled once for all tests of a file. */
const runbooks = new Map<string, Promise<Runbook>>();

async function runbookOf(path: string, types: readonly TaskType[] | undefined): Promise<Runbook> {
  if (types !== undefined) return loadRunbook(path, types);
  let loading = runbooks.get(path);
  if (loading === undefined) runbooks.set(path, (loading = loadRunbook(path)));
  return loading;
}
