import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defineTask, serve } from "@summit/maestro-sdk";
import type { Task } from "@summit/maestro-sdk";

const EXECUTE = { type: "execute", id: "a1", input: {}, run: "r", namespace: "n", task: "t", item: -1, attempt: 1 };

interface Message {
  readonly type: string;
  readonly event?: { readonly kind: string; readonly text: string; readonly stream?: string };
  readonly error?: { readonly code: string; readonly message: string };
  readonly problems?: readonly string[];
}

async function speak(task: Task, ...messages: readonly object[]): Promise<readonly Message[]> {
  const said: Message[] = [];
  await serve(task, {
    input: (async function* () {
      yield Buffer.from(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
    })(),
    write: (text) => void said.push(JSON.parse(text) as Message),
  });
  return said;
}

function throwing(what: unknown): Task {
  return defineTask({
    name: "throws",
    version: 1,
    summary: "Throws",
    effects: [],
    input: { type: "object" },
    output: {},
    validate: () => {
      throw what;
    },
    execute: () => {
      throw what;
    },
  });
}

describe("what a task did not foresee", () => {
  it("says what and where, and the log has the stack", async () => {
    const [log, failure] = await speak(throwing(new RangeError("it broke", { cause: new Error("deep") })), EXECUTE);
    assert.deepEqual([log?.event?.kind, log?.event?.stream], ["log", "stderr"]);
    assert.match(log?.event?.text ?? "", /^RangeError: it broke\n {4}at [\s\S]*cause[\s\S]*deep/);
    assert.equal(failure?.error?.code, "INTERNAL");
    assert.match(
      failure.error.message,
      /^RangeError: it broke, at serve\.test\.ts:\d+:\d+\. The attempt's log has the stack\.$/,
    );
  });

  it("may be no error", async () => {
    const [, failure] = await speak(throwing({ a: 1 }), EXECUTE);
    assert.equal(failure?.error?.message, "{ a: 1 }. The attempt's log has the stack.");
  });

  it("is one sentence where it happens while an input is validated", async () => {
    const [validated] = await speak(throwing(new Error("it broke")), { type: "validate", id: "a1", input: {} });
    assert.deepEqual(validated?.problems, ["validate() itself failed: Error: it broke"]);
  });
});
