import type { Terminal } from "../../src/cli/terminal/terminal.ts";

export interface Pipe {
  readonly terminal: Terminal;
  readonly out: () => string;
  readonly err: () => string;
}

/** A terminal that is a pipe on all three sides and keeps what it is told. */
export function pipe(env: NodeJS.ProcessEnv, stdin = ""): Pipe {
  let out = "";
  let err = "";
  const style = { colour: false, unicode: true };
  const terminal: Terminal = {
    outIsTty: false,
    errIsTty: false,
    interactive: false,
    canRedraw: false,
    out: style,
    err: style,
    env,
    width: () => 80,
    write(text) {
      out += typeof text === "string" ? text : Buffer.from(text).toString();
      return Promise.resolve();
    },
    writeErr: (text) => void (err += text),
    say: (line) => void (err += `${line}\n`),
    setRegion: () => undefined,
    onResize: () => () => undefined,
    async *stdin() {
      yield Promise.resolve(Buffer.from(stdin));
    },
  };
  return { terminal, out: () => out, err: () => err };
}
