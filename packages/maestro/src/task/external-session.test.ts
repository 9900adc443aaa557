import assert from "node:assert/strict";
import { dirname } from "node:path";
import { describe, it } from "node:test";
import { MISBEHAVE } from "../../test/support/external.ts";
import { startResident } from "../runner/resident.ts";
import { PROTOCOL_LIMITS } from "./external-protocol.ts";
import { Session } from "./external-session.ts";
import type { TaskFailure } from "./task.ts";

const ATTEMPT = { run: "r", namespace: "n", task: "t", item: -1, attempt: 1, dir: "/", base: "/" };

async function open(
  start: string,
  limits: { readonly [name in "startMs" | "unreadBytes"]?: number } = {},
): Promise<Session> {
  const command = {
    argv: [process.execPath, MISBEHAVE],
    env: { MISBEHAVE: start },
    cwd: dirname(MISBEHAVE),
  } as const;
  const resident = await startResident(command, { marker: `session-test.${process.pid}-1.1` });
  return new Session(resident, { ...PROTOCOL_LIMITS, ...limits });
}

async function failure(answer: Promise<unknown>): Promise<readonly [code: string, message: string]> {
  const { error } = (await answer.then(
    () => assert.fail("it was to fail"),
    (thrown: unknown) => thrown,
  )) as TaskFailure;
  return [error.code, error.message];
}

describe("a program that stalls", () => {
  it("at its start is ended, and the reason says what it did not do", async () => {
    const session = await open("silent", { startMs: 50 });
    assert.deepEqual(await failure(session.introduce("test")), [
      "PROGRAM_START",
      "it did not answer hello and init within 0.05 s. It wrote nothing to stderr.",
    ]);
    assert.equal((await session.over).signal, "SIGKILL");
  });

  it("is ended where it does not read what it is told", async () => {
    const session = await open("stalls", { unreadBytes: 1 << 20 });
    await session.introduce("test");
    const input = { do: "well", text: "x".repeat(1 << 20) };
    const attempts = [1, 2].map(() => session.conversation.execute({ ...ATTEMPT, input }, () => undefined).answer);
    const [first = [], second = []] = await Promise.all(attempts.map(failure));
    assert.equal(first[0], "PROGRAM_DIED");
    assert.match(first[1] ?? "", /^it does not read its input: 1048576 bytes wait for it$/);
    assert.equal(second[0], "LOST");
    assert.equal((await session.over).signal, "SIGKILL");
  });

  it("is ended where it does not end", async () => {
    const session = await open("stalls");
    await session.introduce("test");
    assert.equal((await session.shutdown(20)).signal, "SIGKILL");
  });
});
