import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { FROM_PROGRAM_SCHEMAS, TO_PROGRAM_SCHEMAS } from "../../maestro/src/task/external-protocol.ts";
import { compileSchema } from "../../maestro/src/task/json-schema.ts";
import { need } from "../../maestro/test/support/need.ts";

interface Message {
  readonly type: string;
}

interface Scenario {
  readonly name: string;
  readonly steps: readonly ({ readonly send: Message } | { readonly expect: Message })[];
}

const { scenarios } = JSON.parse(readFileSync(new URL("../../../sdks/scenarios.json", import.meta.url), "utf8")) as {
  readonly scenarios: readonly Scenario[];
};
const TYPESCRIPT = fileURLToPath(new URL("scenario-task.ts", import.meta.url));
const HOST = fileURLToPath(new URL("../src/host.ts", import.meta.url));
const PYTHON = fileURLToPath(new URL("../../../sdks/python/tests/scenario_task.py", import.meta.url));

for (const [language, needed, command] of [
  ["TypeScript, as a module", {}, [process.execPath, HOST, TYPESCRIPT]],
  ["TypeScript, by itself", {}, [process.execPath, TYPESCRIPT]],
  ["Python", need("python3"), ["python3", PYTHON]],
] as const) {
  describe(`the scenarios of the SDKs: ${language}`, { concurrency: 2, ...needed }, () => {
    for (const { name, steps } of scenarios) it(name, () => play(steps, command));
  });
}

async function play(steps: Scenario["steps"], [file, ...args]: readonly [string, ...string[]]): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "maestro-scenario-"));
  const program = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const ended = once(program, "exit");
    const lines = createInterface(program.stdout)[Symbol.asyncIterator]();
    for (const step of JSON.parse(JSON.stringify(steps).replaceAll("$DIR", dir)) as Scenario["steps"]) {
      if ("send" in step) {
        if (Object.hasOwn(TO_PROGRAM_SCHEMAS, step.send.type))
          assert.deepEqual(
            compileSchema(TO_PROGRAM_SCHEMAS[step.send.type as "init"])(step.send),
            [],
            "as Maestro would say it",
          );
        program.stdin.write(`${JSON.stringify(step.send)}\n`);
        continue;
      }
      const line = await lines.next();
      assert.ok(line.done !== true, `it ended before it said ${JSON.stringify(step.expect)}`);
      const message = JSON.parse(line.value) as Message;
      assert.deepEqual(compileSchema(FROM_PROGRAM_SCHEMAS[message.type as "hello"])(message), [], line.value);
      assert.partialDeepStrictEqual(message, step.expect);
    }
    assert.equal((await lines.next()).done, true, "it says nothing more");
    assert.deepEqual(await ended, [0, null]);
  } finally {
    program.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  }
}
