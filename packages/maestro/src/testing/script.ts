import type { Actor, ApprovalRequested, RunEvent } from "../core/event.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { Answer, SignalScript, TestCase, Vote } from "./case.ts";
import { durationMs } from "./fakes.ts";
import type { Place, World } from "./world.ts";
import { actorOf } from "./world.ts";

interface OpenVote {
  readonly at: number;
  readonly place: Place;
  readonly request: ApprovalRequested;
  readonly vote: Vote;
  readonly by: Actor;
}

/** What people do in a case: they vote, send signals and cancel, each when its time has come. */
export class Script {
  readonly #world: World;
  readonly #test: TestCase;
  #votes: OpenVote[] = [];
  /** Signals that are sent as soon as something waits for them. */
  readonly #awaited: SignalScript[];
  #timed: { readonly at: number; readonly signal: SignalScript }[];
  /** Who waits for which signal. */
  #waiting: { readonly place: Place; readonly signal: string }[] = [];
  #cancelled = false;
  #reached = false;

  constructor(world: World) {
    this.#world = world;
    this.#test = world.test;
    const signals = this.#test.signals ?? [];
    this.#awaited = signals.filter(({ after }) => after === undefined);
    this.#timed = signals.flatMap((signal) =>
      signal.after === undefined ? [] : [{ at: world.startedAt + durationMs(signal.after), signal }],
    );
    world.onEvent = (place, event) => this.#note(place, event);
  }

  /** Does what is due. False: nothing was. Throws `invalid_test` where a person's act was refused. */
  async act(run: string): Promise<boolean> {
    const { now } = this.#world;
    const cancel = this.#test.cancel;
    if (cancel !== undefined && !this.#cancelled && this.#cancelIsDue()) {
      this.#cancelled = true;
      const by = actorOf(cancel.by ?? "tester", ["owner"]);
      const reason = cancel.reason ?? "the test cancels it";
      await this.#send("the cancel", run, { kind: "cancel", by, reason, force: cancel.force === true });
      return true;
    }
    const vote = this.#votes.find(({ at }) => at <= now);
    if (vote !== undefined) {
      this.#votes = this.#votes.filter((one) => one !== vote);
      await this.#vote(vote);
      return true;
    }
    const timed = this.#timed.find(({ at }) => at <= now);
    if (timed !== undefined) {
      this.#timed = this.#timed.filter((one) => one !== timed);
      await this.#signal(timed.signal, run);
      return true;
    }
    return this.#answerWaiting();
  }

  /** When the next act is due that needs nothing but time. */
  nextAt(): number | undefined {
    const times = [...this.#votes, ...this.#timed].map(({ at }) => at);
    const after = this.#test.cancel?.after;
    if (after !== undefined && !this.#cancelled) times.push(this.#world.startedAt + durationMs(after));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** After the end: what was to happen and did not. A vote or a signal may come too late, as it may in production. */
  unused(): string | undefined {
    const during = this.#test.cancel?.during;
    return during !== undefined && !this.#cancelled ? `cancel.during: ${during} was never at work` : undefined;
  }

  #note(place: Place, event: RunEvent): void {
    const during = this.#test.cancel?.during;
    if (event.kind === "approval_requested") {
      if (`${place.prefix}${event.task}` === during) this.#reached = true;
      this.#votes.push(...this.#votesFor(place, event, event.at));
    }
    if (event.kind === "wait_started") {
      if (`${place.prefix}${event.task}` === during) this.#reached = true;
      if (event.signal !== undefined) this.#waiting.push({ place, signal: event.signal });
    }
  }

  #cancelIsDue(): boolean {
    const { after } = this.#test.cancel ?? {};
    if (after !== undefined) return this.#world.startedAt + durationMs(after) <= this.#world.now;
    return this.#reached || this.#world.host.reached;
  }

  #votesFor(place: Place, request: ApprovalRequested, askedAt: number): OpenVote[] {
    const name = `${place.prefix}${request.task}`;
    const answer = this.#test.approvals?.[name];
    if (answer === undefined) {
      this.#world.host.fail(
        new MaestroError(
          "invalid_test",
          `${name} asks ${request.count === 1 ? "a person" : `${request.count} people`} for approval, and the case does not say who answers`,
          { fix: `Add \`approvals: { ${name}: approve }\`, or deny, or expire.` },
        ),
      );
      return [];
    }
    return votesOf(answer, request).map((vote, i) => ({
      at: askedAt + (vote.after === undefined ? 0 : durationMs(vote.after)),
      place,
      request,
      vote,
      by: actorOf(vote.by ?? { id: `approver-${i + 1}`, roles: request.roles }),
    }));
  }

  async #vote({ place, request, vote, by }: OpenVote): Promise<void> {
    const { approval, planDigest, task } = request;
    const verdict = vote.verdict ?? "approve";
    const reason = vote.reason ?? "the test says so";
    const name = `the vote of ${by.id} on ${place.prefix}${task}`;
    await this.#send(name, place.run, { kind: "approve", approval, verdict, by, planDigest, reason }, vote.refused);
  }

  async #signal({ name, payload = null, by }: SignalScript, run: string): Promise<void> {
    await this.#send(`the signal ${name}`, run, {
      kind: "signal",
      name,
      payload,
      by: actorOf(by ?? "tester", ["owner"]),
    });
  }

  async #answerWaiting(): Promise<boolean> {
    for (const waiting of this.#waiting) {
      const at = this.#awaited.findIndex(({ name }) => name === waiting.signal);
      const [signal] = at === -1 ? [] : this.#awaited.splice(at, 1);
      if (signal === undefined) continue;
      this.#waiting = this.#waiting.filter((one) => one !== waiting);
      await this.#signal(signal, waiting.place.run);
      return true;
    }
    return false;
  }

  async #send(what: string, run: string, input: Parameters<World["send"]>[1], refused?: string): Promise<void> {
    try {
      await this.#world.send(run, input);
    } catch (error) {
      if (!(error instanceof MaestroError) || error === this.#world.host.trouble) throw error;
      if (error.code === refused) return;
      const expected = refused === undefined ? "" : `, and ${refused} was expected`;
      throw new MaestroError("invalid_test", `${what} was refused (${error.code}: ${messageOf(error)})${expected}`, {
        cause: error,
      });
    }
    if (refused !== undefined)
      throw new MaestroError("invalid_test", `${what} was to be refused (${refused}), and it was taken`);
  }
}

function votesOf(answer: Answer, { count }: ApprovalRequested): readonly Vote[] {
  switch (answer) {
    case "approve":
      return Array.from({ length: count }, () => ({ verdict: "approve" as const }));
    case "deny":
      return [{ verdict: "deny" }];
    case "expire":
      return [];
    default:
      return Array.isArray(answer) ? (answer as readonly Vote[]) : [answer as Vote];
  }
}
