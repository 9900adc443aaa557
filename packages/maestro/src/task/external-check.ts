import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonical } from "../core/canonical.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import type { Resident, ResidentCommand } from "../runner/resident.ts";
import type { Introduction } from "./external-conversation.ts";
import { problemsOf } from "./external-examine.ts";
import { commandOf, kindOf } from "./external-program.ts";
import { PROTOCOL_LIMITS } from "./external-protocol.ts";
import type { Execute, ProgramDescription, ProgramEvent } from "./external-protocol.ts";
import { reasonOf, Session } from "./external-session.ts";
import { compileSchema } from "./json-schema.ts";
import { TaskFailure } from "./task.ts";

/** One check of a program against the task protocol. */
export interface Check {
  readonly name: string;
  readonly result: "passed" | "failed" | "skipped";
  /** What was found, or why it was not looked for. */
  readonly detail: string;
  /** How to mend it; of a failed check. */
  readonly fix?: string;
}

export interface CheckOptions {
  /** Absolute. */
  readonly path: string;
  readonly env: readonly string[];
  /** What is executed; default: the program's own example. */
  readonly input?: JsonObject;
  /** Execute it although it has effects. */
  readonly effects: boolean;
  start(command: ResidentCommand): Promise<Resident>;
  environment(name: string): string | undefined;
  /** How long one execution may take; default 30 s. */
  readonly executeMs?: number;
}

const EXECUTE_MS = 30_000;
const QUIET_MS = 200;
/** Of the log of an execution that failed. */
const LOG_CHARACTERS = 4000;

/** Every check of docs/reference/task-protocol.md, in order; those that a failed one makes pointless are skipped. */
export async function checkProgram(options: CheckOptions): Promise<readonly Check[]> {
  const checking = new Checking(options);
  try {
    await checking.all();
  } finally {
    await checking.close();
  }
  return checking.checks;
}

class Checking {
  readonly checks: Check[] = [];
  readonly #options: CheckOptions;
  readonly #dir = mkdtempSync(join(tmpdir(), "maestro-task-test-"));
  readonly #sessions: Session[] = [];
  #current: Session | undefined;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  async all(): Promise<void> {
    const kind = kindOf(this.#options.path);
    if (typeof kind !== "string") {
      const fix = "`chmod +x` it, with a first line that names its interpreter, or give a module.";
      return void this.checks.push({ name: "starts", result: "failed", detail: kind.problem, fix });
    }
    const started = await this.#run(
      "starts",
      "Make it start from its own folder with a minimal environment (PATH, HOME, TMPDIR, LANG).",
      () => this.#open(),
    );
    if (started === undefined) return;
    const introduction = await this.#run(
      "says hello and describes itself",
      "Answer hello with { type: hello, protocol: 1 } and init with a description, one JSON text per line, flushed at once.",
      () => started.introduce("maestro-task-test"),
    );
    if (introduction === undefined) return;
    await this.#described(introduction);
    await this.#executed(introduction);
    await this.#run(
      "ends when it is told to",
      "On shutdown, or at the end of its input: finish, answer, exit with 0.",
      async () => this.#ends(await this.#alive()),
    );
    await this.#run("ends when its input ends", "Exit with 0 when stdin is closed.", () => this.#endsByItself());
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) await session.shutdown(0);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #described({ description }: Introduction): Promise<void> {
    await this.#run(
      "has a description that Maestro can use",
      "Write JSON Schema 2020-12, with type: object for the input, and an example that fits it.",
      () => none(problemsOf(description)),
    );
    await this.#run(
      "describes itself the same way every time",
      "Put nothing into the description that changes: no time, no host name.",
      async () => {
        const again = await (await this.#open()).introduce("maestro-task-test");
        if (textOf(again.description) !== textOf(description))
          throw new Error("the second process described it in other words");
      },
    );
    await this.#run(
      "answers with a version it speaks",
      "Choose from the versions that hello offers; where there is none, say the one you speak, and wait to be ended.",
      async () => {
        try {
          await (await this.#open()).introduce("maestro-task-test", [999]);
        } catch (error) {
          if (!messageOf(error).includes("speaks version 999")) throw error;
          throw new Error("it claims to speak version 999", { cause: error });
        }
      },
    );
  }

  async #executed(introduction: Introduction): Promise<void> {
    const { description, validates, concurrency } = introduction;
    const input = this.#options.input ?? description.example ?? {};
    const why = this.#whyNot(introduction);
    const name = "executes the input";
    const misfits = this.#options.input === undefined ? [] : misfitsOf(description, input);
    if (misfits.length > 0) await this.#run(name, "Give an `--input` that fits the input schema.", () => none(misfits));
    else if (why !== undefined) {
      for (const each of [name, "answers a cancelled attempt", "keeps stdout to messages"])
        this.checks.push({ name: each, result: "skipped", detail: why });
    }
    if (misfits.length > 0 || why !== undefined) return;
    if (validates)
      await this.#run("finds the input valid", "validate() must find its own example valid.", async () => {
        const session = await this.#alive();
        await none(await within(session.conversation.validate(input), EXECUTE_MS, session));
      });
    const done = await this.#run(
      name,
      "Its output fits its own output schema; a failure has a code and a message.",
      async () => {
        const output = await this.#execute(await this.#alive(), input);
        await none(compileSchema(description.output)(output).map(({ path, message }) => `output${path} ${message}`));
        return this.#summary;
      },
    );
    if (done === undefined) return;
    if (concurrency > 1)
      await this.#run(
        "works on two attempts at once",
        "Answer each with its own id, or say concurrency: 1 in hello.",
        async () => {
          const session = await this.#alive();
          await Promise.all([this.#execute(session, input), this.#execute(session, input)]);
        },
      );
    await this.#run(
      "ignores what it does not know",
      "Ignore messages of other types: a later Maestro may send them.",
      async () => {
        const session = await this.#alive();
        session.tell({ type: "x-of-a-later-version", id: "a1" });
        session.tell({ type: "cancel", id: "a0", error: { code: "CANCELLED", message: "there is no such attempt" } });
        await this.#execute(session, input);
      },
    );
    await this.#run(
      "answers a cancelled attempt",
      "On cancel, stop and answer with a failure, or with the result if that was faster; once.",
      async () => this.#cancelled(await this.#alive(), input),
    );
    await this.#run(
      "keeps stdout to messages",
      "Print to stderr; answer each attempt once, and say nothing about it afterwards.",
      async () => {
        const session = await this.#alive();
        await this.#execute(session, input);
        // Nothing tells when a program has nothing more to say.
        await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
        if (session.closing) throw new Error(session.trouble ?? "it ended");
      },
    );
  }

  #whyNot({ description }: Introduction): string | undefined {
    if (problemsOf(description).length > 0) return "the description is not valid";
    const { effects } = description;
    return effects.length === 0 || this.#options.effects
      ? undefined
      : `it has effects (${effects.join(", ")}); --effects executes it all the same`;
  }

  #summary = "";

  async #execute(session: Session, input: JsonObject): Promise<JsonValue> {
    const kinds = new Set<ProgramEvent["kind"]>();
    let log = "";
    const { answer } = session.conversation.execute(this.#request(input), (event) => {
      kinds.add(event.kind);
      if (event.kind === "log") log = (log + event.text).slice(-LOG_CHARACTERS);
    });
    try {
      const output = await within(answer, this.#options.executeMs ?? EXECUTE_MS, session);
      this.#summary = kinds.size === 0 ? "" : `emitted ${[...kinds].join(", ")}`;
      return output;
    } catch (error) {
      // Nobody else keeps it.
      throw log.trim() === "" ? error : new Error(`${reasonOf(error)}. Its log:\n${log.trimEnd()}`, { cause: error });
    }
  }

  async #cancelled(session: Session, input: JsonObject): Promise<string> {
    const { id, answer } = session.conversation.execute(this.#request(input), () => undefined);
    session.conversation.cancel(id, { code: "CANCELLED", message: "maestro task test cancels it" });
    try {
      await within(answer, this.#options.executeMs ?? EXECUTE_MS, session);
      return "its result was faster";
    } catch (error) {
      if (session.closing || !(error instanceof TaskFailure)) throw error;
      return `answered with ${error.error.code}`;
    }
  }

  #request(input: JsonObject): Omit<Execute, "type" | "id"> {
    const dir = mkdtempSync(join(this.#dir, "attempt-"));
    return { input, run: "r_task_test", namespace: "test", task: "test", item: -1, attempt: 1, dir, base: this.#dir };
  }

  async #ends(session: Session): Promise<void> {
    const { exit, signal } = await session.shutdown(PROTOCOL_LIMITS.shutdownMs);
    if (signal !== null) throw new Error(`it did not end within ${PROTOCOL_LIMITS.shutdownMs} ms`);
    if (exit !== 0) throw new Error(`it exited with ${exit ?? -1}`);
  }

  async #endsByItself(): Promise<void> {
    const session = await this.#open();
    await session.introduce("maestro-task-test");
    const { exit, signal } = await session.closeInput(PROTOCOL_LIMITS.shutdownMs);
    if (signal !== null) throw new Error(`it did not end within ${PROTOCOL_LIMITS.shutdownMs} ms`);
    if (exit !== 0) throw new Error(`it exited with ${exit ?? -1}`);
  }

  /** A process that is believed; a check that failed may have cost the one before. */
  async #alive(): Promise<Session> {
    const last = this.#current;
    if (last?.closing === false) return last;
    const session = await this.#open();
    await session.introduce("maestro-task-test");
    this.#current = session;
    return session;
  }

  async #open(): Promise<Session> {
    const { path, env } = this.#options;
    const kind = kindOf(path);
    if (typeof kind !== "string") throw new Error(kind.problem);
    const session = new Session(
      await this.#options.start(commandOf({ path, kind, env }, (name) => this.#options.environment(name))),
    );
    this.#sessions.push(session);
    return session;
  }

  async #run<T>(name: string, fix: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const found = await work();
      this.checks.push({ name, result: "passed", detail: typeof found === "string" ? found : "" });
      return found;
    } catch (error) {
      this.checks.push({ name, result: "failed", detail: reasonOf(error), fix });
      return undefined;
    }
  }
}

function misfitsOf({ input: schema }: ProgramDescription, input: JsonObject): readonly string[] {
  return compileSchema(schema)(input).map(({ path, message }) => `input${path} ${message}`);
}

function none(problems: readonly string[]): Promise<void> {
  return problems.length === 0 ? Promise.resolve() : Promise.reject(new Error(problems.join("; ")));
}

async function within<T>(answer: Promise<T>, ms: number, session: Session): Promise<T> {
  const timer = setTimeout(() => session.end({ code: "TIMEOUT", message: `it did not answer within ${ms} ms` }), ms);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}

function textOf(description: Introduction["description"]): string {
  return canonical(description as unknown as JsonObject);
}
