import { mkdirSync } from "node:fs";
import type { AttemptFacts, Isolation } from "../core/event.ts";
import type { CommandLimits, Sandbox } from "../core/plan.ts";
import type { TraceContext } from "../core/trace-context.ts";
import type { TokenFacts } from "../identity/token.ts";
import type { TokenSocket } from "../identity/token-socket.ts";
import { TaskFailure, type TaskContext, type TaskEvent } from "../task/task.ts";
import type { AttemptDeps, AttemptRequest } from "./attempt.ts";
import type { LogRef } from "./logs.ts";
import type { Command, CommandResult } from "./runner.ts";
import { Scrubber } from "./scrub.ts";

type LogStream = "stdout" | "stderr" | "info";

const MAX_EMITTED_ARTIFACTS = 10_000;

/** What a task sees of its attempt, and what the attempt came to see of the task. */
export class AttemptContext implements TaskContext {
  readonly request: AttemptRequest;
  readonly #deps: AttemptDeps;
  /** The result is out: what stray work still reports is dropped. */
  over = false;
  logged = false;
  signalSeen = false;
  /** Files the task named to be kept. */
  emitted: { readonly name: string; readonly path: string }[] | undefined;
  #dirMade = false;
  #usage: { usdMicros?: number; tokens?: number } | undefined;
  #tokens: Promise<TokenSocket> | undefined;
  #network = false;
  /** As soon as it was given what it must not tell; most attempts never are. */
  #scrubber: Scrubber | undefined;
  #command: { readonly isolation: Isolation; readonly exit: number | null } | undefined;

  constructor(request: AttemptRequest, deps: AttemptDeps) {
    this.request = request;
    this.#deps = deps;
  }

  get run(): string {
    return this.request.run;
  }
  get namespace(): string {
    return this.request.namespace;
  }
  get task(): string {
    return this.request.task;
  }
  get item(): number {
    return this.request.item;
  }
  get attempt(): number {
    return this.request.attempt;
  }
  get base(): string {
    return this.request.base;
  }
  get sandbox(): Sandbox {
    return this.request.sandbox;
  }
  get limits(): CommandLimits {
    return this.request.limits;
  }
  get deadline(): number | undefined {
    return this.request.deadline;
  }
  get graceMs(): number {
    return this.request.graceMs;
  }
  get trace(): TraceContext | undefined {
    return this.request.trace;
  }
  get requestId(): string | undefined {
    return this.request.requestId;
  }
  get signal(): AbortSignal {
    this.signalSeen = true;
    return this.request.signal;
  }
  get ref(): LogRef {
    return { run: this.request.run, task: this.request.task, item: this.request.item, attempt: this.request.attempt };
  }
  /** There may be files to keep. */
  get leavesFiles(): boolean {
    return this.emitted !== undefined || (this.#dirMade && this.request.artifacts.length > 0);
  }

  dir(): string {
    if (!this.#dirMade) mkdirSync(this.request.dir, { recursive: true, mode: 0o700 });
    this.#dirMade = true;
    return this.request.dir;
  }

  now(): number {
    return this.#deps.now();
  }

  environment(name: string): string | undefined {
    return this.#deps.environment(name);
  }

  async lease(secret: string): Promise<void> {
    const { request } = this;
    const { run, namespace, task, item, attempt } = request;
    const lessee = request.lessee?.(secret);
    if (lessee !== undefined) await this.#deps.lease?.({ run, namespace, task, item, attempt, ...lessee });
  }

  emit(event: TaskEvent): void {
    if (this.over) return;
    switch (event.kind) {
      case "log":
        this.#log(event.stream, typeof event.bytes === "string" ? Buffer.from(event.bytes) : event.bytes);
        return;
      case "artifact":
        this.emitted ??= [];
        if (this.emitted.length >= MAX_EMITTED_ARTIFACTS)
          throw new TaskFailure({
            code: "LIMIT",
            final: true,
            message: `An attempt keeps at most ${MAX_EMITTED_ARTIFACTS} artifacts. Pack them into an archive.`,
          });
        this.emitted.push({ name: event.name, path: event.path });
        return;
      case "usage":
        this.#usage ??= {};
        if (event.usdMicros !== undefined) this.#usage.usdMicros = (this.#usage.usdMicros ?? 0) + event.usdMicros;
        if (event.tokens !== undefined) this.#usage.tokens = (this.#usage.tokens ?? 0) + event.tokens;
        return;
      case "progress":
      case "heartbeat":
        this.request.beat?.();
        this.#deps.onEvent?.(this.request, event);
        return;
    }
  }

  drained(): Promise<void> {
    return this.#deps.logs.drained(this.ref);
  }

  resident(isolation: Isolation): void {
    this.#command = { isolation, exit: null };
  }

  async tokenSocket(): Promise<string | undefined> {
    return (await this.#openTokens())?.path;
  }

  /** The result is out: nothing of the attempt is heard or answered any more. */
  end(): void {
    this.over = true;
    for (const [stream, bytes] of this.#scrubber?.rest() ?? []) this.#append(stream as LogStream, bytes);
    // One that could not be made has told so.
    this.#tokens?.then(
      (socket) => socket.close(),
      () => undefined,
    );
  }

  /** Without what the attempt was given and must not tell. */
  scrubbed<T>(value: T): T {
    return this.#scrubber === undefined ? value : this.#scrubber.value(value);
  }

  async #openTokens(): Promise<TokenSocket | undefined> {
    const { workload } = this.request;
    const { tokens } = this.#deps;
    if (workload === undefined || tokens === undefined) return undefined;
    const { run, namespace, task, item, attempt, signal } = this.request;
    const runner = async (): Promise<TokenFacts["runner"]> => this.#measured();
    // Without its signature a token is what everybody may know of the run, and worth nothing.
    const given = (token: string): void => {
      this.#scrubber ??= new Scrubber();
      this.#scrubber.add(token.slice(token.lastIndexOf(".") + 1));
    };
    this.#tokens ??= tokens({ run, namespace, task, item, attempt, signal, workload, runner, given });
    return this.#tokens;
  }

  /** Where it runs, for whoever is shown a token. */
  async #measured(): Promise<TokenFacts["runner"]> {
    const { runner } = this.#deps;
    const { sandbox } = this.request;
    const isolation = this.#command?.isolation ?? (await runner.measure(sandbox, { network: this.#network }));
    return { name: runner.name, sandbox, isolation };
  }

  async command(command: Command): Promise<CommandResult> {
    const { request } = this;
    if (request.type.description.runs !== "process") {
      throw new TaskFailure({
        code: "INTERNAL",
        final: true,
        message: `The task type ${request.type.description.name} runs a command, but does not declare runs: "process".`,
      });
    }
    const ref = this.ref;
    const { logs } = this.#deps;
    this.#network = command.network === true;
    const tokens = await this.#openTokens();
    const result = await this.#deps.runner.run(inContext(command, request), {
      dir: this.dir(),
      sandbox: request.sandbox,
      limits: request.limits,
      signal: this.signal,
      get graceMs(): number {
        return request.graceMs;
      },
      readable: [request.base, ...(command.readable ?? [])],
      lent: request.lent ?? [],
      ...(tokens === undefined ? {} : { tokens: tokens.folder }),
      ...(command.stop === undefined ? {} : { force: command.stop }),
      log: (stream, bytes) =>
        stream === "stdout" && command.onStdout !== undefined ? command.onStdout(bytes) : this.#log(stream, bytes),
      drained: () => logs.drained(ref),
    });
    const weakest = this.#command?.isolation;
    this.#command = {
      isolation:
        weakest === undefined || STRENGTH[result.isolation.measured] < STRENGTH[weakest.measured]
          ? result.isolation
          : weakest,
      exit: result.exit,
    };
    return result;
  }

  /** What was measured. Of several commands: the weakest isolation, the last exit code. */
  facts(): AttemptFacts | undefined {
    if (this.#command === undefined && this.#usage === undefined) return undefined;
    const command = this.#command;
    return {
      ...(this.#usage === undefined ? {} : { usage: this.#usage }),
      ...(command === undefined ? {} : { isolation: command.isolation, runner: this.#deps.runner.name }),
      ...(command === undefined || command.exit === null ? {} : { exit: command.exit }),
    };
  }

  #log(stream: LogStream, bytes: Uint8Array): boolean {
    this.logged = true;
    this.request.beat?.();
    const clean = this.#scrubber === undefined ? bytes : this.#scrubber.bytes(stream, bytes);
    return clean.byteLength === 0 && bytes.byteLength > 0 ? true : this.#append(stream, clean);
  }

  #append(stream: LogStream, bytes: Uint8Array): boolean {
    return this.#deps.logs.append(this.request, stream, bytes, this.#deps.now());
  }
}

/** What correlates: the request's id, and the variables that OpenTelemetry defines; those the task sets itself come before them. */
function inContext(command: Command, { trace, requestId }: AttemptRequest): Command {
  const request = requestId === undefined ? {} : { MAESTRO_REQUEST_ID: requestId };
  const traced = trace !== undefined && command.env?.["TRACEPARENT"] === undefined;
  const state = trace?.tracestate === undefined ? {} : { TRACESTATE: trace.tracestate };
  return {
    ...command,
    env: { ...request, ...(traced ? { TRACEPARENT: trace.traceparent, ...state } : {}), ...command.env },
  };
}

const STRENGTH: Readonly<Record<Isolation["measured"], number>> = { none: 0, partial: 1, strict: 2 };
