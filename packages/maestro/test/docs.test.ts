import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { hasTerminal } from "./support/maestro.ts";
import { letGo } from "./support/let-go.ts";
import { need } from "./support/need.ts";
import { blocksOf, missing, stepsOf } from "./support/pages.ts";
import type { Step } from "./support/pages.ts";

// Documentation that is executed: each page in a folder of its own, its commands in order, in a real terminal.

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PAGES = ["README.md", ...globSync("docs/guides/*.md", { cwd: ROOT })].map((path) => ({
  path,
  steps: stepsOf(blocksOf(readFileSync(join(ROOT, path), "utf8"))),
}));

/** The task types that pages write, for linting what uses them: examples of the SDK, and what is only on the page. */
const PROGRAMS = PAGES.flatMap(({ steps }) => steps).filter(
  (step) => step.kind === "file" && /^from maestro_task import[^]*^    serve\(/m.test(step.text),
) as readonly Extract<Step, { kind: "file" }>[];
const addPrograms = [
  ...globSync("packages/sdk/examples/*.ts", { cwd: ROOT }).map((path) => join(ROOT, path)),
  ...PROGRAMS.map(({ name }) => `./${name}`),
]
  .map((path) => `maestro task add ${path}\n`)
  .join("");

const terminal = hasTerminal ? [] : ["script"];

describe("the documentation", { concurrency: 2 }, () => {
  for (const { path, steps } of PAGES.filter((page) => page.steps.length > 0)) {
    const needs = steps.flatMap((step) => (step.kind === "script" ? step.needs : []));
    it(`${path} works as it is written`, need(...terminal, ...needs), async () => {
      const place = mkdtempSync(join(tmpdir(), "maestro-docs-"));
      const stays: Terminal[] = [];
      try {
        prepare(place, path);
        for (const step of steps) await carryOut(step, place, path, stays);
        for (let terminal = stays.shift(); terminal !== undefined; terminal = stays.shift()) {
          const code = await interrupt(terminal);
          assert.equal(code, 0, `${path}: what stays ended with ${code}:\n${terminal.output()}`);
        }
      } finally {
        for (const terminal of stays) await interrupt(terminal);
        letGo(place);
        rmSync(place, { recursive: true, force: true, maxRetries: 5 });
      }
    });
  }

  it("has manifests without errors and warnings", need(...terminal, "python3"), async () => {
    const place = mkdtempSync(join(tmpdir(), "maestro-docs-"));
    try {
      const pages = ["README.md", ...globSync("{docs,catalog}/**/*.md", { cwd: ROOT })];
      const manifests = pages.flatMap((path) =>
        blocksOf(readFileSync(join(ROOT, path), "utf8"))
          .filter(({ language, text }) => language === "yaml" && /^kind: Runbook$/m.test(text))
          .map(({ text, line }) => ({ name: `${path.replaceAll("/", "-")}-${line}.maestro.yaml`, text })),
      );
      assert.ok(manifests.length > 5, `only ${manifests.length} manifests found`);
      for (const { name, text } of manifests) writeFileSync(join(place, name), text);
      prepare(place, "");
      cpSync(join(ROOT, "sdks/python/maestro_task"), join(place, "maestro_task"), { recursive: true });
      for (const { name, text } of PROGRAMS) writeFileSync(join(place, name), text, { mode: 0o755 });
      await carryOut(
        {
          kind: "script",
          script: `${addPrograms}maestro lint --strict .`,
          exit: 0,
          shows: [],
          needs: [],
          stays: false,
          line: 0,
        },
        place,
        "lint",
        [],
      );
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  });

  it("tells steps apart, and what is missing in an output", () => {
    const page =
      "```yaml file=a.yaml\nx: 1\n```\n```sh run exit=3\nfalse\n```\n\n```text\nno …\n```\n```sh\nnot run\n```\n";
    assert.deepEqual(stepsOf(blocksOf(page)), [
      { kind: "file", name: "a.yaml", text: "x: 1\n" },
      { kind: "script", script: "false\n", exit: 3, shows: ["no …"], needs: [], stays: false, line: 5 },
    ]);
    assert.equal(missing("a  sha256:12 b\nc", ["a sha256:… b", "c"]), undefined);
    assert.equal(missing("c\na", ["a", "c"]), "c");
  });
});

/** A folder as the page expects it: `maestro` on the PATH; for the README what a clone has. */
function prepare(place: string, path: string): void {
  // In the sandbox of a root engine a command reads what everybody may read.
  chmodSync(place, 0o755);
  mkdirSync(join(place, ".bin"));
  symlinkSync(join(ROOT, "maestro"), join(place, ".bin/maestro"));
  symlinkSync(join(ROOT, "scripts/demo-provider"), join(place, ".bin/demo-provider"));
  if (path !== "README.md") return;
  symlinkSync(join(ROOT, "maestro"), join(place, "maestro"));
  for (const part of [
    "catalog",
    "package.json",
    "package-lock.json",
    "packages/maestro/package.json",
    "packages/maestro/bin",
  ])
    cpSync(join(ROOT, part), join(place, part), { recursive: true });
}

async function carryOut(step: Step, place: string, path: string, stays: Terminal[]): Promise<void> {
  if (step.kind === "file") return writeFileSync(join(place, step.name), step.text);
  const where = `${path}:${step.line}`;
  // Pages say the port that people will have; here another engine may be up.
  const port = stays.map(({ output }) => /http:\/\/127\.0\.0\.1:(\d+)/.exec(output())?.[1]).find((one) => one);
  const actual = (text: string): string => (port === undefined ? text : text.replaceAll(DEFAULT_PORTS, port));
  if (step.stays) {
    const terminal = openTerminal(step.script.replaceAll(/(?<=--listen 127\.0\.0\.1:)\d+/g, "0"), place);
    stays.push(terminal);
    const shown = step.shows.map((line) => line.replaceAll(DEFAULT_PORTS, "…"));
    return waitFor(terminal, shown, where);
  }
  const terminal = openTerminal(actual(step.script), place);
  const code = await terminal.ended;
  const output = terminal.output();
  assert.equal(code, step.exit, `${where} ended with ${code}, not ${step.exit}:\n${step.script}\n${output}`);
  const line = missing(output, step.shows.map(actual));
  assert.equal(line, undefined, `${where} does not show this line:\n  ${line}\nbut\n${output}`);
}

interface Terminal {
  readonly child: ChildProcessWithoutNullStreams;
  /** All that it got so far. */
  readonly output: () => string;
  /** The exit code; -1 where it had to be killed. */
  readonly ended: Promise<number>;
}

/** Of a control plane and of a witness. */
const DEFAULT_PORTS = /\b771[78]\b/g;
let scripts = 0;

function openTerminal(script: string, place: string): Terminal {
  scripts += 1;
  const file = join(place, `.bin/script-${scripts}.sh`);
  writeFileSync(file, `set -euo pipefail\nstty cols 160\n${script}`);
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(MAESTRO|NODE|CI$|GITHUB|FORCE_COLOR)/.test(name),
  );
  const env = {
    ...Object.fromEntries(inherited),
    PATH: `${join(place, ".bin")}:${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    MAESTRO_DATA: join(place, "data"),
    XDG_CONFIG_HOME: join(place, ".config"),
    MAESTRO_LISTEN: "127.0.0.1:0",
    TERM: "xterm-256color",
    NO_COLOR: "1",
    LANG: "C.UTF-8",
  };
  let text = "";
  // Without exec a plain sh stays above bash and answers to Ctrl-C as well, with 130.
  // A page that waits for what never comes is to say what it has shown. The pipe to stdin stays open: its end would be taken for
  // the end of the terminal.
  const child = spawn("script", ["-qec", `exec bash ${file}`, "/dev/null"], {
    cwd: place,
    env,
    timeout: 300_000,
    killSignal: "SIGKILL",
  });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  const ended = once(child, "close").then(([code]) => (typeof code === "number" ? code : -1));
  return { child, ended, output: () => withoutControls(text) };
}

async function waitFor({ child, ended, output }: Terminal, shows: readonly string[], where: string): Promise<void> {
  let over = false;
  void ended.then(() => (over = true));
  while (missing(output(), shows) !== undefined && !over) await Promise.race([once(child.stdout, "data"), ended]);
  assert.equal(missing(output(), shows), undefined, `${where} ended without showing this:\n${output()}`);
}

/** As a person does: Ctrl-C, and what stays ends well. */
function interrupt({ child, ended }: Terminal): Promise<number> {
  child.stdin.write("\u0003");
  return ended;
}

function withoutControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- escape sequences are what is taken out
  return text.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replaceAll("\r", "");
}
