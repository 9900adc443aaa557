import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { commandOf, kindOf } from "./external-program.ts";

const TASK = `import { defineTask } from "@summit/maestro-sdk";
const task = defineTask({
  name: "small", version: 1, summary: "Is small", effects: [],
  input: { type: "object" }, output: { type: "string" }, execute: ({ input }) => JSON.stringify(input),
});
`;
const MESSAGES = [
  { type: "hello", protocols: [1], engine: "test" },
  { type: "init" },
  { type: "execute", id: "a1", input: { n: 1 }, run: "r", namespace: "n", task: "t", item: -1, attempt: 1, dir: "/" },
  { type: "shutdown" },
];

describe("a program's file", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "maestro-program-"));
    // What an old machine has as `node`.
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin", "node"), "#!/bin/sh\necho 'this node is too old' >&2\nexit 9\n", { mode: 0o755 });
  });
  after(() => rmSync(folder, { recursive: true }));

  /** What comes of a conversation with it, in an environment whose `node` is of no use. */
  async function talk(
    name: string,
    source: string,
    mode: number,
  ): Promise<{
    readonly kind: string;
    readonly types: readonly string[];
    readonly code: number;
    readonly err: string;
  }> {
    const path = join(folder, name);
    writeFileSync(path, source);
    chmodSync(path, mode);
    const kind = kindOf(path);
    if (typeof kind !== "string") return { kind: kind.problem, types: [], code: -1, err: "" };
    const { argv, cwd } = commandOf({ path, kind, env: [] }, () => undefined);
    const [file, ...args] = argv;
    const child = spawn(file, args, { cwd, env: { PATH: `${join(folder, "bin")}:/usr/bin:/bin` } });
    // What ends at once does not read them all.
    child.stdin.on("error", () => child.stdin.destroy());
    child.stdin.end(MESSAGES.map((message) => `${JSON.stringify(message)}\n`).join(""));
    const code = new Promise<number>((resolve) => child.once("exit", (exit) => resolve(exit ?? -1)));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const lines = out.split("\n").filter((line) => line !== "");
    return { kind, types: lines.map((line) => (JSON.parse(line) as { type: string }).type), code: await code, err };
  }

  const SERVED = ["hello", "description", "result"];
  const SERVES = `${TASK}import { serve } from "@summit/maestro-sdk";\nif (import.meta.main) await serve(task);\n`;

  for (const [what, name, source, mode, kind] of [
    ["a module", "plain.ts", `${TASK}export default task;\n`, 0o644, "module"],
    ["a module where every file is executable", "all.ts", `${TASK}export default task;\n`, 0o755, "module"],
    ["a script that serves itself", "serves.ts", `#!/usr/bin/env node\n${SERVES}`, 0o755, "script"],
    [
      "... and exports the task, too",
      "two.ts",
      `#!/usr/bin/env node\n${SERVES}export default task;\n`,
      0o755,
      "script",
    ],
    ["a script that only exports", "only.ts", `#!/usr/bin/env node\n${TASK}export default task;\n`, 0o755, "script"],
    ["a script with flags", "flags", `#!/usr/bin/env -S node --no-warnings\n${SERVES}`, 0o755, "script"],
  ] as const) {
    it(`is served, whatever \`node\` is in the PATH: ${what}`, async () => {
      assert.deepEqual(await talk(name, source, mode), { kind, types: SERVED, code: 0, err: "" });
    });
  }

  it("that names its interpreter is started by that", async () => {
    const { kind, code, err } = await talk("own.mjs", `#!${join(folder, "bin", "node")}\n`, 0o755);
    assert.deepEqual([kind, code, err], ["executable", 9, "this node is too old\n"]);
    assert.equal((await talk("shell", "#!/bin/sh\nexit 4\n", 0o755)).code, 4);
  });

  for (const [what, name, source, mode] of [
    ["a module", "none.mjs", "export default 1;\n", 0o644],
    ["a script", "none-script.mjs", "#!/usr/bin/env node\nexport default 1;\n", 0o755],
  ] as const) {
    it(`without a task says what to write: ${what}`, async () => {
      const { code, err } = await talk(name, source, mode);
      assert.equal(code, 2);
      assert.match(err, /none.*\.mjs .*export default defineTask\(\{ … \}\)/);
    });
  }

  it("that fails keeps its own exit code", async () => {
    const { code, err } = await talk("fails.mjs", "#!/usr/bin/env node\nprocess.exitCode = 5;\n", 0o755);
    assert.deepEqual([code, err], [5, ""]);
  });

  it("is a file that can be started", () => {
    writeFileSync(join(folder, "notes.txt"), "hello");
    for (const [path, words] of [
      [join(folder, "nowhere"), /there is no file/],
      [folder, /is not a file/],
      [join(folder, "notes.txt"), /neither executable \(chmod \+x.*nor a module/],
    ] as const) {
      const kind = kindOf(path);
      assert.match(typeof kind === "string" ? kind : kind.problem, words);
    }
  });
});
