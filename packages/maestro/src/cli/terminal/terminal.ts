import { styleText } from "node:util";
import type { WriteStream } from "node:tty";
import type { Style } from "./style.ts";

/** The three streams and what they can do. stdout is for data, stderr for everything said about it. */
export interface Terminal {
  readonly outIsTty: boolean;
  readonly errIsTty: boolean;
  /** Somebody is there to answer: stdin and stderr are a terminal and this is no CI. */
  readonly interactive: boolean;
  /** The region on stderr may be redrawn in place. */
  readonly canRedraw: boolean;
  readonly out: Style;
  readonly err: Style;
  readonly env: NodeJS.ProcessEnv;
  /** Columns of the terminal; 80 when there is none. */
  width(): number;
  /** Resolves when the stream can take more. Rejects with PipeClosed when the reader of stdout has gone. */
  write(text: string | Uint8Array): Promise<void>;
  /** To stderr, as it stands. */
  writeErr(text: string): void;
  /** A line to stderr, above what is drawn in place there. */
  say(line: string): void;
  /** What is drawn in place at the end of stderr from now on, so that lines can go above it; undefined: nothing. */
  setRegion(region: Region | undefined): void;
  /** Called on a change of the terminal's size; returns how to stop. */
  onResize(listener: () => void): () => void;
  stdin(): AsyncIterable<Uint8Array>;
}

/** Lines at the end of stderr that can be taken away and drawn again. */
export interface Region {
  lift(): void;
  drop(): void;
}

/** Whoever read our output has what they wanted (`maestro logs … | head`): end quietly. */
export class PipeClosed extends Error {
  constructor() {
    super("the reader of the output has gone");
    this.name = "PipeClosed";
  }
}

export function processTerminal(): Terminal {
  const { stdout, stderr, stdin, env } = process;
  let closed = false;
  let over: Region | undefined;
  // A reader that leaves is no fault; what is written to stderr after that is lost, as its reader wanted.
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    closed = true;
  });
  stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  const outIsTty = stdout.isTTY;
  const errIsTty = stderr.isTTY;
  const ci = env["CI"] !== undefined && env["CI"] !== "" && env["CI"] !== "false";
  const dumb = env["TERM"] === "dumb";
  const unicode = hasUnicode(env);
  return {
    outIsTty,
    errIsTty,
    interactive: stdin.isTTY && errIsTty && !ci,
    canRedraw: errIsTty && !ci && !dumb,
    out: { colour: hasColour(stdout), unicode: unicode || !outIsTty },
    err: { colour: hasColour(stderr), unicode: unicode || !errIsTty },
    env,
    width: () => (errIsTty ? stderr.columns : outIsTty ? stdout.columns : 0) || 80,
    async write(text) {
      if (closed) throw new PipeClosed();
      await new Promise<void>((done) => {
        if (stdout.write(text)) return done();
        const next = (): void => {
          stdout.off("drain", next).off("error", next);
          done();
        };
        stdout.on("drain", next).on("error", next);
      });
    },
    writeErr: (text) => void stderr.write(text),
    say(line) {
      over?.lift();
      stderr.write(`${line}\n`);
      over?.drop();
    },
    setRegion: (region) => void (over = region),
    onResize(listener) {
      stderr.on("resize", listener);
      return () => void stderr.off("resize", listener);
    },
    stdin: () => stdin,
  };
}

/** What node itself thinks: it knows NO_COLOR, FORCE_COLOR, NODE_DISABLE_COLORS and TERM. */
function hasColour(stream: WriteStream): boolean {
  return styleText("red", "x", { stream }) !== "x";
}

function hasUnicode(env: NodeJS.ProcessEnv): boolean {
  if (env["TERM"] === "linux" || env["TERM"] === "dumb") return false;
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  // Without any locale we are in a container or a service, and what reads it is UTF-8 nearly always.
  return locale === "" || /utf-?8/i.test(locale);
}
