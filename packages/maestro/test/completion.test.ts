import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { serveSocket, socketPath } from "../src/api/socket.ts";
import { completionOf } from "../src/cli/complete.ts";
import { openControlPlane } from "../src/serve.ts";
import { hasTerminal, Place } from "./support/maestro.ts";
import { need } from "./support/need.ts";

// Names of a real installation, and the scripts in the real shells, with a person's key presses.

const BIN = fileURLToPath(new URL("../bin/maestro.cjs", import.meta.url));

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: orders, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  budget: { wall: 5m }
  tasks:
    hold: { uses: approval@1, with: { message: "Go?", notRequester: false } }
`;

describe("completion of names", async () => {
  const place = await Place.make();
  const data = join(place.dir, "data");
  after(() => place.remove());
  /** Without the limit of time, which is for people. */
  const names = async (...words: readonly string[]): Promise<readonly string[]> => {
    const where = { env: { MAESTRO_DATA: data }, cwd: place.dir, waitMs: 60_000 };
    const text = await completionOf(words, where);
    return text.slice(0, -1).split("\n");
  };

  it("asks the engine that runs, and looks into the database where none does, and makes nothing", async () => {
    assert.deepEqual(await names("show", "r_"), ["none"], "no data directory");
    const plane = await openControlPlane({ dataDir: data });
    const socket = await serveSocket(socketPath(data), (request) => plane.asOwner(request));
    const post = async (path: string, body: object): Promise<{ run?: { id: string } }> => {
      const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
      const response = await plane.asOwner(new Request(`http://maestro.local${path}`, init));
      return (await response.json()) as { run?: { id: string } };
    };
    await post("/v1/workflows", { manifest: MANIFEST });
    const { run } = await post("/v1/runs", { workflow: "orders" });
    const id = run?.id ?? "";
    await plane.engine.idle();
    const live = await names("show", "r_");
    assert.match(live[1] ?? "", new RegExp(`^${id}\torders `));
    assert.deepEqual(await names("run", "shop/"), ["files", "shop/orders@1.0.0\tpublished"]);
    assert.match((await names("approve", "")).join(), /a_\w+\torders hold/);
    assert.deepEqual(await names("show", `--data=${place.dir}/none`, "r_"), ["none"], "another data directory");
    await socket.close(0);
    await plane.close();
    assert.deepEqual(await names("show", "r_"), ["none", `${id}\t`]);
    assert.deepEqual(await names("run", "sh"), ["files", "shop/orders@1.0.0\t"]);
    assert.match((await names("approve", "")).join(), /^none,a_\w+\t$/);
    assert.match((await names("task", "show", "ex")).join(), /^none,exec\t/);
    assert.match((await names("init", "--from", "rel")).join(), /^none,release-evidence\t/);
  });

  it("is silent whatever goes wrong, and waits for nobody", async () => {
    writeFileSync(join(place.dir, "not-a-database"), "x");
    mkdirSync(join(place.dir, "odd"));
    writeFileSync(join(place.dir, "odd/maestro.db"), "this is no database");
    for (const words of [
      ["--data", "odd", "show", "r_"],
      ["--context", "nowhere", "show", "r_"],
      ["--server", "http://127.0.0.1:9", "show", "r_"],
      ["--server", "nonsense", "show", "r_"],
      ["\u0000", "--=", "-"],
    ])
      assert.deepEqual((await names(...words))[0], "none", words.join(" "));
    const ended = await place.run(["__complete", "show", "r_"], { env: { MAESTRO_DATA: join(place.dir, "odd") } });
    assert.deepEqual(ended, { code: 0, out: "none\n", err: "" });
    const now = { env: { MAESTRO_DATA: data }, cwd: place.dir, waitMs: 0 };
    assert.equal(
      await completionOf(["catalog", "sh"], now),
      "none\nshow\tshow a stored workflow: its plan, where it comes from and its versions\n",
    );
  });

  it("has a script for each shell, and says which there are", async () => {
    const ended = await place.run(["completion", "tcsh"]);
    assert.equal(ended.code, 2);
    assert.match(ended.err, /There is completion for bash, zsh, fish, pwsh, not for "tcsh"/);
    assert.match(
      (await place.run(["completion", "pwsh"])).out,
      /Register-ArgumentCompleter -Native -CommandName maestro/,
    );
  });
});

describe("completion in a shell", { skip: hasTerminal ? false : "needs util-linux script" }, () => {
  let place: Place;
  const shells: Shell[] = [];
  before(async () => {
    place = await Place.make({ "orders.maestro.yaml": MANIFEST, "my orders.csv": "" });
    mkdirSync(join(place.dir, "bin"));
    mkdirSync(join(place.dir, "folder"));
    symlinkSync(BIN, join(place.dir, "bin/maestro"));
  });
  after(async () => {
    for (const shell of shells) shell.end();
    await place.remove();
  });
  const start = (command: string): Shell => {
    const shell = new Shell(command, place.dir);
    shells.push(shell);
    return shell;
  };

  it("works in bash: words, options, values after = and @, files", need("bash"), async () => {
    const shell = start("bash --norc --noprofile -i");
    await shell.type("source <(maestro completion bash); PS1='ready> '\n", /ready> /);
    await shell.type("maestro recei\tsh\t", /maestro receipt show /);
    await shell.type("\u0015maestro lint --for\t", /maestro lint --format /);
    await shell.type("\u0015maestro lint --format=sa\t", /maestro lint --format=sarif /);
    await shell.type("\u0015maestro show @la\t", /maestro show @last /);
    await shell.type("\u0015maestro run ord\t", /maestro run orders\.maestro\.yaml /);
    await shell.type("\u0015maestro run --inputs=my\t", /--inputs=my\\ orders\.csv /);
    await shell.type("\u0015maestro catalog \t\t", /diff +list +publish +show/);
    // Names come within 300 ms or not at all, so here they are given.
    await shell.type("\u0015maestro() { printf 'none\\nshop/orders@1.0.0\\tpublished\\n'; }\n", /ready> $/);
    await shell.type("maestro run shop/orders@1\t", /maestro run shop\/orders@1\.0\.0 /);
    await shell.type("\u0015maestro run sh\t", /maestro run shop\/orders@1\.0\.0 /);
  });

  it("works in zsh", need("zsh"), async () => {
    const shell = start("zsh -f -i");
    await shell.type(
      "autoload -U compinit; compinit -D -u; source <(maestro completion zsh); PS1='ready> '\n",
      /ready> $/,
    );
    await shell.type("maestro recei\tsh\t", /maestro receipt show /);
    await shell.type("\u0015maestro lint --format=sa\t", /maestro lint --format=sarif/);
    await shell.type("\u0015maestro run ord\t", /maestro run orders\.maestro\.yaml/);
  });

  it("works in fish", need("fish"), async () => {
    const shell = start("fish --no-config");
    await shell.type(
      "maestro completion fish | source; complete -C 'maestro catalog '\n",
      /publish\tpublish manifests/,
    );
    await shell.type("complete -C 'maestro lint --format=sa'\n", /--format=sarif/);
    await shell.type("complete -C 'maestro run ord'\n", /orders\.maestro\.yaml/);
    await shell.type("complete -C 'maestro up fol'\n", /folder\//);
  });
});

/** A shell in a terminal. */
class Shell {
  readonly #child: ChildProcessWithoutNullStreams;
  #seen = "";
  #changed = Promise.withResolvers<void>();

  constructor(command: string, dir: string) {
    this.#child = spawn("script", ["-qec", `stty cols 200 rows 50; exec ${command}`, "/dev/null"], {
      cwd: dir,
      env: {
        PATH: `${join(dir, "bin")}:${dirname(process.execPath)}:/usr/bin:/bin`,
        HOME: dir,
        TERM: "xterm",
        LANG: "C.UTF-8",
        MAESTRO_DATA: join(dir, "data"),
      },
    });
    this.#child.stdin.on("error", () => this.#changed.resolve());
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#seen += text;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  /** Presses keys, and waits until the terminal shows that. */
  async type(keys: string, shows: RegExp): Promise<void> {
    this.#seen = "";
    this.#child.stdin.write(keys);
    const patience = AbortSignal.timeout(20_000);
    const over = new Promise<void>((resolve) => patience.addEventListener("abort", () => resolve()));
    while (!shows.test(this.#text())) {
      if (this.#child.exitCode !== null || patience.aborted)
        throw new Error(`${JSON.stringify(keys)} does not show ${shows}:\n${this.#text()}`);
      await Promise.race([this.#changed.promise, over]);
    }
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }

  #text(): string {
    // oxlint-disable-next-line no-control-regex -- escape sequences are what is taken out
    const text = this.#seen.replaceAll(/\x1b\[[0-9;?>=]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07|\x07/g, "");
    // Backspaces go back over what is then written again.
    let shown = "";
    for (const char of text.replaceAll("\r", "")) shown = char === "\b" ? shown.slice(0, -1) : shown + char;
    return shown;
  }
}
