import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Conversation } from "./external-conversation.ts";
import { Lines } from "./external-message.ts";
import { OFFERED_VERSIONS, PROTOCOL_LIMITS, PROTOCOL_VERSION, versionsOf } from "./external-protocol.ts";
import type { FromProgram, ToProgram } from "./external-protocol.ts";
import { Relay } from "./external-relay.ts";
import type { TaskContext, TaskFailure } from "./task.ts";

const DESCRIPTION: FromProgram = {
  type: "description",
  description: { name: "t", version: 1, summary: "Is a test", effects: [], input: { type: "object" }, output: {} },
};
const ATTEMPT = { input: {}, run: "r", namespace: "n", task: "t", item: -1, attempt: 1, dir: "/d", base: "/b" };

/** A conversation, what it has sent, and a way to be the program. */
function talk(versions?: readonly number[]): {
  readonly conversation: Conversation;
  readonly sent: readonly ToProgram[];
  readonly says: (...messages: readonly FromProgram[]) => void;
} {
  const sent: ToProgram[] = [];
  const conversation = new Conversation((message) => void sent.push(message), versions);
  return {
    conversation,
    sent,
    says: (...messages) => messages.forEach((message) => conversation.receive(JSON.stringify(message))),
  };
}

function ready(): ReturnType<typeof talk> {
  const talking = talk();
  void talking.conversation.introduce("test");
  talking.says({ type: "hello", protocol: 1 }, DESCRIPTION);
  return talking;
}

async function failure(answer: Promise<unknown>): Promise<string> {
  const error = (await answer.then(
    () => assert.fail("it was to fail"),
    (thrown: unknown) => thrown,
  )) as TaskFailure;
  return `${error.error.code}: ${error.error.message}`;
}

describe("the versions of the protocol", () => {
  it("are this one and up to two before it", () => {
    assert.deepEqual(versionsOf(1), [1]);
    assert.deepEqual(versionsOf(2), [2, 1]);
    assert.deepEqual(versionsOf(7), [7, 6, 5]);
    assert.deepEqual(OFFERED_VERSIONS, versionsOf(PROTOCOL_VERSION));
  });

  for (const spoken of [5, 6, 7]) {
    it(`are the program's to choose: ${spoken} of 7`, async () => {
      const { conversation, sent, says } = talk(versionsOf(7));
      const introduction = conversation.introduce("test");
      assert.deepEqual(sent, [{ type: "hello", protocols: [7, 6, 5], engine: "test" }, { type: "init" }]);
      says({ type: "hello", protocol: spoken, concurrency: 3 }, DESCRIPTION);
      assert.equal((await introduction).concurrency, 3);
    });
  }

  for (const spoken of [4, 8]) {
    it(`are refused where they are not spoken: ${spoken} by 7`, () => {
      const { conversation, says } = talk(versionsOf(7));
      void conversation.introduce("test");
      assert.throws(() => says({ type: "hello", protocol: spoken }), {
        name: "Breach",
        code: "PROTOCOL",
        message: `it speaks version ${spoken} of the task protocol, and this Maestro speaks 7, 6, 5. Use a version of its SDK that fits, or another Maestro`,
      });
    });
  }
});

describe("a conversation", () => {
  it("begins with hello and a description, once each", () => {
    const { conversation, says } = talk();
    void conversation.introduce("test");
    assert.throws(() => says(DESCRIPTION), /its first message must be hello/);
    says({ type: "hello", protocol: 1 });
    assert.throws(() => says({ type: "hello", protocol: 1 }), /it said hello twice/);
    says(DESCRIPTION);
    assert.throws(() => says(DESCRIPTION), /it described itself twice/);
  });

  it("has one answer for each attempt", async () => {
    const { conversation, says } = ready();
    const { id, answer } = conversation.execute(ATTEMPT, () => undefined);
    says({ type: "result", id, output: 1 });
    assert.equal(await answer, 1);
    for (const again of [
      { type: "result", id, output: 2 },
      { type: "failure", id, error: { code: "NO", message: "no" } },
      { type: "emit", id, event: { kind: "heartbeat" } },
    ] as const)
      assert.throws(() => says(again), {
        code: "PROTOCOL",
        message: /for a1, which it had answered already; an attempt has one answer, and nothing after it/,
      });
  });

  it("knows whose attempt it is", () => {
    const { conversation, says } = ready();
    conversation.execute(ATTEMPT, () => undefined);
    for (const id of ["a2", "a0", "a01x", "b1", "a99999999999999999999"])
      assert.throws(() => says({ type: "result", id, output: 1 }), {
        code: "PROTOCOL",
        message: new RegExp(`a result for ${id}, and there is no such attempt; the id is that of the execute message`),
      });
    assert.throws(() => says({ type: "validated", id: "a1", problems: [] }), {
      id: "a1",
      message: /a validated for a1, which was asked something else/,
    });
  });

  it("that ends tells the one who is to blame, and the others that they lost a process", async () => {
    const { conversation } = ready();
    const [mine, other] = [1, 2].map(() => conversation.execute(ATTEMPT, () => undefined));
    conversation.end({ code: "PROTOCOL", message: "nonsense" }, mine?.id);
    assert.equal(await failure(mine?.answer ?? assert.fail()), "PROTOCOL: nonsense");
    assert.equal(
      await failure(other?.answer ?? assert.fail()),
      "LOST: The process it shared with other attempts ended: nonsense",
    );
    const late = conversation.execute(ATTEMPT, () => undefined);
    assert.match(await failure(late.answer), /^LOST: .*nonsense/);
  });

  it("that ends with one attempt knows whose fault it was, and before its introduction that it did not start", async () => {
    const { conversation } = ready();
    const { answer } = conversation.execute(ATTEMPT, () => undefined);
    conversation.end({ code: "PROGRAM_DIED", message: "gone" });
    assert.equal(await failure(answer), "PROGRAM_DIED: gone");
    const early = talk();
    const introduction = early.conversation.introduce("test");
    early.conversation.end({ code: "PROGRAM_DIED", message: "gone" });
    assert.equal(await failure(introduction), "PROGRAM_START: gone");
  });

  it("cancels only what is open", () => {
    const { conversation, sent, says } = ready();
    const { id } = conversation.execute(ATTEMPT, () => undefined);
    says({ type: "result", id, output: 1 });
    conversation.cancel(id, { code: "CANCELLED", message: "too late" });
    assert.equal(sent.at(-1)?.type, "execute");
  });
});

describe("lines", () => {
  it("are cut where they end, however they come", () => {
    const lines = new Lines(() => 10);
    const got = ["ab", "c\nd", "\n", "\nü".slice(0, 2), "\n"].flatMap((part) => [...lines.add(Buffer.from(part))]);
    assert.deepEqual(got, ["abc", "d", "", "ü"]);
  });

  it("have a limit, also the one that never ends", () => {
    const lines = new Lines(() => 10);
    assert.deepEqual([...lines.add(Buffer.from("0123456789\n"))], ["0123456789"]);
    assert.deepEqual([...lines.add(Buffer.from("01234"))], []);
    assert.throws(() => [...lines.add(Buffer.from("567890"))], {
      code: "LIMIT",
      message: "a line on stdout is longer than 10 bytes. Large results belong in artifacts",
    });
  });
});

it("an attempt that reports without end is stopped", () => {
  let passed = 0;
  const context = { emit: () => (passed += 1) } as unknown as TaskContext;
  const relay = new Relay(context, () => undefined);
  for (let i = 0; i < PROTOCOL_LIMITS.events; i++) relay.pass({ kind: "heartbeat" }, "a1");
  assert.throws(() => relay.pass({ kind: "heartbeat" }, "a1"), {
    code: "LIMIT",
    id: "a1",
    message: "it emitted more than 1000000 events for one attempt. Report less often",
  });
  assert.equal(passed, PROTOCOL_LIMITS.events);
});
