import { isRequestId } from "../api/request-id.ts";
import { MaestroError } from "../core/problem.ts";
import { readTraceContext } from "../core/trace-context.ts";
import { suggest } from "../core/suggest.ts";
import { Client } from "./client.ts";
import type { ConnectOptions } from "./link.ts";
import { findTarget } from "./target.ts";
import type { Target } from "./target.ts";
import { safe } from "./terminal/text.ts";
import type { Terminal } from "./terminal/terminal.ts";

export type OutputFormat = "table" | "wide" | "json" | "jsonl" | "yaml" | "name" | "tree" | "dot";

export const OUTPUT_FORMATS: readonly OutputFormat[] = ["table", "wide", "json", "jsonl", "yaml", "name"];

/** What every command gets: the terminal, where it stands, and the way to a control plane. */
export interface Cli {
  readonly terminal: Terminal;
  readonly cwd: string;
  readonly output: OutputFormat;
  readonly fields: readonly string[] | undefined;
  readonly debug: boolean;
  /** What it works on. Throws `invalid_request` where flags, variables or files do not say that clearly. */
  readonly target: Target;
  /** For what happens in the folder itself. Throws `invalid_request` where the target is a server. */
  readonly dataDir: string;
  connect(
    need: ConnectOptions["need"],
    how?: Pick<ConnectOptions, "listen" | "manifests" | "broken" | "log" | "logLevel" | "otlp">,
  ): Promise<Client>;
}

/** A command's file exports one as `run`. Resolves with the exit code. */
export type CommandRun = (cli: Cli, input: Input) => Promise<number>;

/** What was typed: arguments by name and options by their long name, read with a type and a fault that names the flag. */
export class Input {
  readonly #args: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly #options: Readonly<Record<string, unknown>>;

  constructor(
    args: Readonly<Record<string, string | readonly string[] | undefined>>,
    options: Readonly<Record<string, unknown>>,
  ) {
    this.#args = args;
    this.#options = options;
  }

  /** A required argument; commander has refused its absence. */
  arg(name: string): string {
    const value = this.#args[name];
    return typeof value === "string" ? value : "";
  }

  optionalArg(name: string): string | undefined {
    const value = this.#args[name];
    return typeof value === "string" ? value : undefined;
  }

  args(name: string): readonly string[] {
    const value = this.#args[name];
    return Array.isArray(value) ? value : [];
  }

  text(name: string): string | undefined {
    const value = this.#options[camel(name)];
    return typeof value === "string" ? value : undefined;
  }

  texts(name: string): readonly string[] {
    const value = this.#options[camel(name)];
    return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
  }

  /** True for `--name`, false for `--no-name`, undefined when neither was given. */
  flag(name: string): boolean | undefined {
    const value = this.#options[camel(name)];
    return typeof value === "boolean" ? value : undefined;
  }

  integer(name: string, limits: { readonly min: number; readonly max: number }): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= limits.min && number <= limits.max) return number;
    throw usage(`--${name} takes a whole number from ${limits.min} to ${limits.max}, not ${JSON.stringify(value)}.`);
  }

  choice<const T extends string>(name: string, values: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const found = values.find((one) => one === value);
    if (found !== undefined) return found;
    const near = suggest(value, values);
    throw usage(
      `--${name} takes one of ${values.join(", ")}, not ${JSON.stringify(value)}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    );
  }
}

/** `main` puts the command's name in. */
export const SEE_HELP = "See how it is used: `maestro help COMMAND`.";

/** `invalid_request` about the command line: exit code 2. */
export function usage(detail: string, fix?: string): MaestroError {
  return new MaestroError("invalid_request", detail, { fix: fix ?? SEE_HELP });
}

export function makeCli(
  terminal: Terminal,
  globals: Input,
  cwd: string,
  formats: readonly OutputFormat[] = OUTPUT_FORMATS,
): Cli {
  const output = globals.flag("json") === true ? "json" : (globals.choice("output", formats) ?? formats[0] ?? "table");
  const flags = {
    data: globals.text("data"),
    server: globals.text("server"),
    tokenFile: globals.text("token-file"),
    context: globals.text("context"),
  };
  const debug = globals.flag("debug") === true;
  const passphrase = terminal.env["MAESTRO_KEY_PASSPHRASE"];
  const issuer = terminal.env["MAESTRO_ISSUER"] || undefined;
  let found: Target | undefined;
  // Found when it is asked for: `help` and `lint` work whatever is wrong with the configuration.
  const target = (): Target => (found ??= findTarget({ flags, env: terminal.env, cwd }));
  return {
    terminal,
    cwd,
    output,
    fields: globals
      .text("fields")
      ?.split(",")
      .map((field) => field.trim())
      .filter((field) => field !== ""),
    debug,
    get target() {
      return target();
    },
    get dataDir() {
      return dataDirOf(target());
    },
    async connect(need, how = {}) {
      const to = target();
      if (to.kind === "server") {
        const { isInTheClear } = await import("./remote.ts");
        if (isInTheClear(to)) terminal.say(`warning: the token goes to ${safe(to.server.value)} unencrypted`);
        return within(terminal.env, await Client.connectTo(to));
      }
      const client = await Client.connect({
        dataDir: to.data.value,
        need,
        ...(passphrase === undefined ? {} : { passphrase }),
        ...(issuer === undefined ? {} : { issuer }),
        log(level, message, fields) {
          // A stack is for whoever asked for it.
          const facts = Object.entries(fields).filter(([name]) => debug || name !== "stack");
          const line = [message, ...facts.map(([name, value]) => `${name}=${value}`)].join(" ");
          terminal.say(`engine ${level}: ${safe(line)}`);
        },
        ...how,
      });
      return within(terminal.env, client);
    },
  };
}

/** Whoever calls this command in a trace, or for a request, means its runs to be part of it. */
function within(env: NodeJS.ProcessEnv, client: Client): Client {
  client.trace = readTraceContext(env["TRACEPARENT"] ?? null, env["TRACESTATE"] ?? null);
  // What is no id of ours would be replaced there, and need not be sent; a header could not carry all of it.
  const requestId = env["MAESTRO_REQUEST_ID"];
  client.requestId = requestId !== undefined && isRequestId(requestId) ? requestId : undefined;
  return client;
}

function dataDirOf(target: Target): string {
  if (target.kind === "data") return target.data.value;
  throw new MaestroError(
    "invalid_request",
    `This works on a data directory of this machine, and ${target.context?.origin ?? target.server.origin} names the server ${target.server.value}.`,
    { fix: "Name the directory with --data DIR." },
  );
}

/** `no-wait` to `noWait`, as commander keeps it. */
function camel(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
