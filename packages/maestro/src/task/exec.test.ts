import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Command, CommandResult } from "../runner/runner.ts";
import { workbench } from "../../test/support/run-task.ts";
import { exec } from "./exec.ts";

const NODE = process.execPath;

async function run(input: JsonObject): Promise<JsonValue> {
  using bench = workbench();
  return await bench.run(exec, input);
}

async function fail(
  input: JsonObject,
): Promise<{ code: string; message: string; final?: boolean; details?: JsonValue; output?: JsonValue }> {
  using bench = workbench();
  const failure = await bench.fail(exec, input);
  return { ...failure.error, ...(failure.output === undefined ? {} : { output: failure.output }) };
}

describe("exec@1", () => {
  it("runs a program with its arguments as they are", async () => {
    assert.deepEqual(
      await run({
        argv: [NODE, "-p", "JSON.stringify(process.argv.slice(1))", "--", "$HOME; `id`", 7, true, ""],
        output: { from: "stdout-json" },
      }),
      {
        exit: 0,
        value: ["$HOME; `id`", "7", "true", ""],
      },
    );
  });

  it("runs a script with the values of env and stdin", async () => {
    const script = 'read -r line\nprintf "%s|%s|%s" "$GREETING" "$COUNT" "$line"';
    assert.deepEqual(
      await run({
        script,
        env: { GREETING: "it's $(me)", COUNT: 3 },
        stdin: "a line\n",
        output: { from: "stdout-text" },
      }),
      { exit: 0, stdout: "it's $(me)|3|a line", truncated: false },
    );
  });

  it("passes anything but text to stdin as JSON", async () => {
    assert.deepEqual(await run({ argv: ["cat"], stdin: { a: [1, "ü"] }, output: { from: "stdout-json" } }), {
      exit: 0,
      value: { a: [1, "ü"] },
    });
  });

  it("stops a script at the first command that fails, with bash also inside a pipe", async () => {
    assert.equal((await fail({ script: "false\necho on" })).code, "EXIT");
    assert.deepEqual(await run({ script: "false | true" }), { exit: 0 });
    assert.equal((await fail({ script: "false | true", shell: "bash" })).code, "EXIT");
  });

  it("runs in the attempt's folder, or in cwd from the run's folder", async () => {
    using bench = workbench();
    mkdirSync(join(bench.base, "sub"));
    const where = async (input: JsonObject): Promise<string> =>
      realpathSync(
        (
          (await bench.run(exec, { script: "pwd", output: { from: "stdout-text" }, ...input })) as { stdout: string }
        ).stdout.trim(),
      );
    assert.equal(await where({}), realpathSync(bench.dir));
    assert.equal(await where({ cwd: "sub" }), realpathSync(join(bench.base, "sub")));
  });

  it("says where and what it is in the environment", async () => {
    const { value } = (await run({
      script: `${JSON.stringify(NODE)} -p 'JSON.stringify(process.env)'`,
      output: { from: "stdout-json" },
    })) as { value: Record<string, string> };
    assert.deepEqual(
      [value["MAESTRO_RUN"], value["MAESTRO_TASK"], value["MAESTRO_ITEM"], value["MAESTRO_ATTEMPT"]],
      ["r_0123456789abcdefghj", "subject", "-1", "1"],
    );
    assert.match(value["MAESTRO_OUTPUT"] ?? "", /attempt\/\.maestro\/output\.json$/);
  });

  it("reads the result from the file that MAESTRO_OUTPUT names", async () => {
    assert.deepEqual(await run({ script: `echo '{"digest": "x"}' > "$MAESTRO_OUTPUT"` }), {
      exit: 0,
      value: { digest: "x" },
    });
    assert.deepEqual(await run({ script: "echo noise" }), { exit: 0 });
  });

  it("does not hand on what an earlier attempt in the same folder wrote", async () => {
    using bench = workbench();
    await bench.run(exec, { script: 'echo 1 > "$MAESTRO_OUTPUT"' });
    assert.deepEqual(await bench.run(exec, { script: "true" }), { exit: 0 });
  });

  it("reads the result from a file it is told", async () => {
    assert.deepEqual(await run({ script: "echo '[1]' > report.json", output: { from: "file", path: "report.json" } }), {
      exit: 0,
      value: [1],
    });
  });

  it("cuts text at captureBytes and says so, even inside a character", async () => {
    assert.deepEqual(await run({ script: "printf 'aüb'", output: { from: "stdout-text" }, captureBytes: 2 }), {
      exit: 0,
      stdout: "a\ufffd",
      truncated: true,
    });
  });

  it("takes other exit codes as success", async () => {
    assert.deepEqual(await run({ script: "exit 3", successExitCodes: [0, 3] }), { exit: 3 });
  });

  it("asks the runner for what the input says", async () => {
    const commands: Command[] = [];
    const result: CommandResult = {
      exit: 0,
      signal: null,
      stdout: new Uint8Array(),
      stdoutTruncated: false,
      stderrTail: "",
      limit: null,
      isolation: {
        declared: "none",
        measured: "none",
        backend: "none",
        network: true,
        writableRoot: true,
        capabilities: true,
        ownProcesses: true,
        uid: 0,
      },
      wallMs: 1,
    };
    using bench = workbench({ command: (command) => (commands.push(command), result) });
    await bench.run(exec, {
      argv: ["x"],
      writable: ["dist", "/var/cache"],
      network: true,
      output: { from: "stdout-text" },
      captureBytes: 10,
    });
    await bench.run(exec, { argv: ["x"] });
    const asked = commands.map(({ writable, network, captureBytes }) => ({ writable, network, captureBytes }));
    assert.deepEqual(asked, [
      { writable: [join(bench.base, "dist"), "/var/cache"], network: true, captureBytes: 10 },
      { writable: [], network: false, captureBytes: 0 },
    ]);
  });

  it("packs an npm package and names the archive", async () => {
    const source = mkdtempSync(join(tmpdir(), "maestro-pack-"));
    try {
      const script = `printf '{"name":"tiny","version":"1.0.0"}' > package.json`;
      await run({ script, cwd: source });
      const output = (await run({
        argv: ["npm", "pack", "--json", "--ignore-scripts", "--pack-destination", source, source],
        env: { npm_config_update_notifier: "false" },
        output: { from: "stdout-json" },
      })) as {
        value: readonly { filename: string }[];
      };
      assert.equal(output.value[0]?.filename, "tiny-1.0.0.tgz");
    } finally {
      rmSync(source, { recursive: true });
    }
  });
});

describe("exec@1 fails", () => {
  it("with the exit code and the last words", async () => {
    const error = await fail({
      script:
        'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "line $i" >&2; done; printf "\\033[31mred\\033[0m\\007\\n" >&2; exit 3',
    });
    assert.equal(error.code, "EXIT");
    assert.equal(
      error.message,
      `The script exited with 3. Its last words:\n${[4, 5, 6, 7, 8, 9, 10, 11, 12].map((i) => `line ${i}`).join("\n")}\nred`,
    );
    assert.equal((error.details as JsonObject)["exit"], 3);
    assert.equal(error.final, undefined);
  });

  it("with what 127 means", async () =>
    assert.match(
      (await fail({ script: "no-such-command-here" })).message,
      /exited with 127 \(a command was not found\)/,
    ));

  it("with the signal", async () => {
    const error = await fail({ argv: ["sh", "-c", "kill -KILL $$"] });
    assert.deepEqual(
      [error.code, error.message],
      ["SIGNAL", "sh was ended by SIGKILL. It wrote nothing to stderr; `maestro logs` has its output."],
    );
  });

  it("with the limit that was reached", async () => {
    using bench = workbench({
      command: () => ({ limit: "memory", exit: null, signal: "SIGKILL", stderrTail: "" }) as CommandResult,
    });
    const { error } = await bench.fail(exec, { argv: ["big"] });
    assert.deepEqual(
      [error.code, error.message],
      ["LIMIT", "big was ended because it reached its limit of memory. Raise `runner.limits` or make it need less."],
    );
  });

  it("keeps the result that was written before the failure", async () => {
    assert.deepEqual((await fail({ script: 'echo \'{"done": 3}\' > "$MAESTRO_OUTPUT"; exit 1' })).output, {
      value: { done: 3 },
    });
    assert.equal((await fail({ script: 'echo "{" > "$MAESTRO_OUTPUT"; exit 1' })).code, "EXIT");
  });

  const outputs: readonly (readonly [string, JsonObject, RegExp])[] = [
    [
      "malformed JSON in the file, with line and column",
      { script: `printf '{\\n  "a": 1,\\n}' > "$MAESTRO_OUTPUT"` },
      /output\.json is not JSON: .*\(line 3 column 1\)/,
    ],
    ["half of it", { script: `printf '{"a": [' > "$MAESTRO_OUTPUT"` }, /\(line 1 column 8\)/],
    ["an empty file", { script: ': > "$MAESTRO_OUTPUT"' }, /it is empty/],
    ["no UTF-8", { script: `printf '"\\377"' > "$MAESTRO_OUTPUT"` }, /it is not UTF-8/],
    ["a lone surrogate", { script: `printf '["\\\\ud800"]' > "$MAESTRO_OUTPUT"` }, /\/0 holds a lone surrogate/],
    ["a folder", { script: 'mkdir "$MAESTRO_OUTPUT"' }, /is not a file/],
    ["17 MiB", { script: 'head -c 17825792 /dev/zero > "$MAESTRO_OUTPUT"' }, /at most 16777216/],
    [
      "a promised file that is missing",
      { script: "true", output: { from: "file", path: "r.json" } },
      /succeeded but did not write r\.json in its folder/,
    ],
    [
      "a promised MAESTRO_OUTPUT that is missing",
      { script: "true", output: { from: "file" } },
      /did not write the file that MAESTRO_OUTPUT names/,
    ],
    [
      "chatter on stdout",
      { script: "echo hello", output: { from: "stdout-json" } },
      /stdout is not JSON: .*one JSON value and nothing else; send messages to stderr/,
    ],
    [
      "too much stdout",
      { script: "echo '[1,2,3]'", output: { from: "stdout-json" }, captureBytes: 3 },
      /more than 3 bytes.*Raise `captureBytes`/,
    ],
  ];
  for (const [name, input, message] of outputs) {
    it(`on ${name}`, async () => {
      const error = await fail(input);
      assert.match(error.message, message);
      assert.deepEqual([error.code, error.final], ["OUTPUT_INVALID", true]);
    });
  }

  const inputs: readonly (readonly [string, JsonObject, RegExp])[] = [
    ["a shell without a script", { argv: ["a"], shell: "bash" }, /shell: goes with script only/],
    ["NUL", { argv: ["a", "b\0c"] }, /argv\[1\]: holds a NUL character/],
    ["an argument no kernel takes", { script: "x".repeat(200_000) }, /script: is longer than 131071 bytes/],
    ["no program", { argv: [" "] }, /argv\[0\]: names no program/],
    [
      "names that are none",
      { argv: ["a"], env: { "A=B": "1", "9": "2" } },
      /"9" is no name.*"A=B" is no name|"A=B" is no name.*"9" is no name/,
    ],
    ["reserved names", { argv: ["a"], env: { MAESTRO_RUN: "1" } }, /MAESTRO_RUN is reserved/],
    [
      "a path that nobody reads",
      { argv: ["a"], output: { from: "stdout-json", path: "x" } },
      /output\.path: goes with/,
    ],
  ];
  for (const [name, input, message] of inputs) {
    it(`before it starts, on ${name}`, async () => {
      const error = await fail(input);
      assert.match(error.message, message);
      assert.equal(error.code, "INPUT_INVALID");
    });
  }

  it("with the reason it was called off for", async () => {
    using bench = workbench();
    const running = bench.run(exec, { script: "exec sleep 30" });
    bench.abort.abort(new Error("cancelled by alice"));
    await assert.rejects(running, /cancelled by alice/);
  });
});
