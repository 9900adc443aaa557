import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../bin/maestro.cjs", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A folder with a data directory, in which the real command is called as a user would. */
export class Place {
  readonly dir: string;
  readonly #children = new Set<ChildProcessWithoutNullStreams>();

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async make(files: Readonly<Record<string, string>> = {}): Promise<Place> {
    const place = new Place(await mkdtemp(join(tmpdir(), "maestro-cli-")));
    for (const [name, text] of Object.entries(files)) await writeFile(join(place.dir, name), text);
    return place;
  }

  /** A file of settings in its data directory, before an engine opens it. */
  async configure(name: string, text: string): Promise<void> {
    const data = join(this.dir, "data");
    await mkdir(data, { recursive: true, mode: 0o700 });
    await writeFile(join(data, name), text, { mode: 0o600 });
  }

  /** Calls `maestro` to its end; no terminal anywhere. */
  async run(
    args: readonly string[],
    options: { readonly stdin?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<Ended> {
    const started = this.start(args, options.env);
    started.child.stdin.end(options.stdin ?? "");
    return started.ended;
  }

  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
    return this.#spawn(process.execPath, [BIN, ...args], env);
  }

  /** Calls `maestro` in a terminal of its own (util-linux `script`); `out` is all that the terminal got. */
  startInTerminal(args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
    const words = [process.execPath, BIN, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    return this.#spawn("script", ["-qec", `stty cols 100 rows 30; exec ${words}`, "/dev/null"], {
      TERM: "xterm-256color",
      ...env,
    });
  }

  async remove(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  #spawn(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Started {
    const inherited = Object.fromEntries(
      Object.entries(process.env).filter(
        ([name]) => !/^(MAESTRO|NODE|OTEL_|TRACE(PARENT|STATE)$|CI$|GITHUB|NO_COLOR|FORCE_COLOR)/.test(name),
      ),
    );
    const child = spawn(command, args, {
      cwd: this.dir,
      env: {
        ...inherited,
        MAESTRO_DATA: join(this.dir, "data"),
        MAESTRO_LOG_FORMAT: "text",
        XDG_CONFIG_HOME: join(this.dir, "config"),
        MAESTRO_LISTEN: "127.0.0.1:0",
        LANG: "C.UTF-8",
        ...env,
      },
    });
    this.#children.add(child);
    const started = new Started(child);
    void started.ended.finally(() => this.#children.delete(child));
    return started;
  }
}

/** A command under way. */
export class Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  out = "";
  err = "";
  #changed = Promise.withResolvers<void>();

  constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child;
    child.stdout.setEncoding("utf8").on("data", (text: string) => this.#add("out", text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => this.#add("err", text));
    // A process that has ended takes no more input, and that is no failure of a test.
    child.stdin.on("error", () => this.#changed.resolve());
    this.ended = once(child, "close").then(([code]) => {
      this.#add("out", "");
      return { code: code as number | null, out: this.out, err: this.err };
    });
  }

  /** Resolves when either stream has shown the pattern; rejects when the process ends without it. */
  async shows(pattern: RegExp): Promise<void> {
    let over = false;
    void this.ended.then(() => (over = true));
    while (!pattern.test(this.out) && !pattern.test(this.err)) {
      if (over) throw new Error(`ended without ${pattern}:\n${this.out}\n${this.err}`);
      await Promise.race([this.#changed.promise, this.ended]);
    }
  }

  #add(stream: "out" | "err", text: string): void {
    this[stream] += text;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

/** Whether tests in a real terminal can run here. */
export const hasTerminal = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;
