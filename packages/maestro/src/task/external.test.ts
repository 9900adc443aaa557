import assert from "node:assert/strict";
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { AttemptResult } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import { need } from "../../test/support/need.ts";
import { calledOff, MISBEHAVE, openExternal } from "../../test/support/external.ts";
import type { ExternalPlace } from "../../test/support/external.ts";
import { markerOf, readProcesses } from "../runner/tree.ts";
import type { TaskType } from "./task.ts";

const WORD_COUNT = fileURLToPath(new URL("../../../sdk/examples/word-count.ts", import.meta.url));

function codeOf(result: AttemptResult): string {
  return result.ok ? "ok" : result.error.code;
}

function messageOf(result: AttemptResult): string {
  assert.ok(!result.ok, "it was to fail");
  return result.error.message;
}

async function refusal(promise: Promise<unknown>): Promise<MaestroError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof MaestroError) return error;
    throw error;
  }
  return assert.fail("it was not refused");
}

/** Processes that this test's programs are or have started. */
function processes(): readonly number[] {
  return readProcesses()
    .filter(
      ({ pid, zombie }) =>
        !zombie && pid !== process.pid && markerOf(pid)?.split(".")[1]?.startsWith(`${process.pid}-`) === true,
    )
    .map(({ pid }) => pid);
}

describe("a program as a task type", () => {
  let place: ExternalPlace;
  before(async () => {
    place = await openExternal();
  });
  after(() => place.close());

  it("is added by its path: a module, with its description and the digest of its file", async () => {
    const description = await place.external.add(WORD_COUNT, []);
    assert.deepEqual(
      [description.name, description.version, description.title, description.runs, description.effects],
      ["word-count", 1, "Counts the words of a text file", "process", []],
    );
    assert.match(description.program ?? "", /^sha256:[0-9a-f]{64}$/);
    assert.equal(place.types.get("word-count@1")?.description, description);
    assert.equal(place.descriptions.get("word-count@1"), description);
  });

  it("does attempts with logs and artifacts, and says how isolated it is", async () => {
    writeFileSync(join(place.dataDir, "text.txt"), "a rose is a rose is a rose\n");
    const result = await place.attempt("word-count@1", { file: join(place.dataDir, "text.txt"), top: 2 });
    assert.ok(result.ok, JSON.stringify(result));
    assert.deepEqual(result.output, { words: 8, top: ["a", "rose"] });
    assert.deepEqual(
      result.artifacts?.map(({ name }) => name),
      ["words.json"],
    );
    assert.equal(await place.log(), "3 different words\n");
    assert.deepEqual(
      [result.isolation?.declared, result.isolation?.measured, result.runner],
      ["preferred", "none", "process@test"],
    );
    assert.equal(result.isolation?.network, true);
  });

  it("fails with the code and the words of the task", async () => {
    const result = await place.attempt("word-count@1", { file: "nowhere.txt" });
    assert.equal(codeOf(result), "UNREADABLE");
    assert.match(messageOf(result), /nowhere\.txt could not be read: ENOENT/);
  });

  it("checks the input before the program sees it", async () => {
    assert.equal(codeOf(await place.attempt("word-count@1", { file: 3 })), "INPUT_INVALID");
  });

  it("serves many attempts in one process", async () => {
    await place.external.add(MISBEHAVE, []);
    const results = await Promise.all(Array.from({ length: 40 }, () => place.attempt("misbehave@1", { do: "folder" })));
    const outputs = results.map((result) =>
      result.ok ? (result.output as { pid: number; dir: string }) : assert.fail(),
    );
    assert.ok(new Set(outputs.map(({ pid }) => pid)).size <= 4, "at most so many processes");
    assert.equal(new Set(outputs.map(({ dir }) => dir)).size, 40, "each attempt has its folder");
    const again = await place.attempt("misbehave@1", { do: "folder" });
    assert.ok(
      again.ok && outputs.some(({ pid }) => pid === (again.output as { pid: number }).pid),
      "the process stays",
    );
  });

  it("tells the deadline, and the trace of the attempt", async () => {
    const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=1" };
    const result = await place.attempt("misbehave@1", { do: "folder" }, { deadline: 4_000_000_000_000, trace });
    assert.ok(result.ok);
    const { deadline, traceparent } = result.output as { deadline: number; traceparent: string };
    assert.deepEqual([deadline, traceparent], [4_000_000_000_000, trace.traceparent]);
  });

  it("tells how many attempts its processes have room for, none where each gets a process of its own", () => {
    const places = (name: string, runner?: Parameters<NonNullable<TaskType["places"]>>[0]): number | undefined =>
      place.types.get(name)?.places?.(runner);
    assert.deepEqual([places("word-count@1"), places("misbehave@1")], [64, 32]);
    assert.equal(places("misbehave@1", { kind: "process", sandbox: "none" }), 32);
    assert.equal(places("misbehave@1", { kind: "process", sandbox: "strict" }), 0);
    assert.equal(places("misbehave@1", { kind: "process", sandbox: "none", limits: { memoryBytes: 1 << 30 } }), 0);
  });

  it("is there for the next engine, and a broken registration does not keep the others away", async () => {
    writeFileSync(join(place.dataDir, "tasks", "broken@1.json"), "{}");
    await place.external.close();
    place.reopen();
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "well" })), "ok");
    assert.ok(place.types.has("word-count@1"));
    assert.equal(place.warnings.length, 1);
    assert.match(place.warnings[0] ?? "", /broken@1\.json: .*lacks the property "format".*Add the program again/);
  });

  it("is removed by its name, and its file stays", async () => {
    place.external.remove("misbehave@1");
    assert.ok(!place.types.has("misbehave@1") && existsSync(MISBEHAVE));
    assert.ok(!readdirSync(join(place.dataDir, "tasks")).includes("misbehave@1.json"));
    assert.throws(() => place.external.remove("misbehave@1"), { code: "not_found" });
    assert.throws(() => place.external.remove("exec@1"), { code: "conflict", message: /built-in/ });
  });

  it("runs in a sandbox of its own where the plan is strict", need("bwrap"), async () => {
    // Root's commands run as nobody there, who must be able to read the program.
    await place.external.add(MISBEHAVE, []);
    const results = await Promise.all(
      [1, 2].map(() => place.attempt("misbehave@1", { do: "folder" }, { sandbox: "strict" })),
    );
    for (const result of results) {
      assert.ok(result.ok, JSON.stringify(result));
      assert.equal(result.isolation?.measured, "strict");
    }
    const nonsense = await place.attempt("misbehave@1", { do: "nonsense" }, { sandbox: "strict" });
    assert.equal(codeOf(nonsense), "PROTOCOL");
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "die" }, { sandbox: "strict" })), "PROGRAM_DIED");
  });
});

describe("a program that was changed", () => {
  let place: ExternalPlace;
  let path: string;
  beforeEach(async () => {
    place = await openExternal();
    path = join(place.dataDir, "mine.mjs");
    copyFileSync(MISBEHAVE, path);
    chmodSync(path, 0o755);
    await place.external.add(path, []);
  });

  it("is refused with what to do, until it is added again", async () => {
    const before = place.descriptions.get("misbehave@1")?.program;
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "well" })), "ok");
    writeFileSync(path, `${readFileSync(path, "utf8")}\n// changed\n`);
    const result = await place.attempt("misbehave@1", { do: "well" });
    assert.equal(codeOf(result), "PROGRAM_CHANGED");
    assert.match(
      messageOf(result),
      /is not the one that was added: .*mine\.mjs has the digest sha256:.*maestro task add .*mine\.mjs/,
    );
    const description = await place.external.add(path, []);
    assert.notEqual(description.program, before);
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "well" })), "ok");
    await place.close();
  });

  it("is refused where it describes itself in other words, or is gone", async () => {
    await place.external.close();
    place.environment = { MISBEHAVE: "other" };
    writeFileSync(
      join(place.dataDir, "tasks", "misbehave@1.json"),
      readFileSync(join(place.dataDir, "tasks", "misbehave@1.json"), "utf8").replace(
        '"env": []',
        '"env": ["MISBEHAVE"]',
      ),
    );
    place.reopen();
    assert.match(messageOf(await place.attempt("misbehave@1", { do: "well" })), /describes itself in other words/);
    await place.close();
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "well" })), "PROGRAM_CHANGED");
  });
});

describe("a program that cannot be added", () => {
  let place: ExternalPlace;
  before(async () => {
    place = await openExternal();
  });
  after(() => place.close());

  for (const [start, words] of [
    ["exit", /exited with 3 before it had answered\. Its last words:\nno such module: left-pad/],
    ["nonsense", /is not JSON .*Welcome to my program!/],
    ["version", /speaks version 7 of the task protocol, and this Maestro speaks 1/],
    ["schema", /input: the schema is not valid JSON Schema/],
    ["unicode", /its description cannot be kept: canonical JSON: \/docs holds a lone surrogate/],
  ] as const) {
    it(`because of its start: ${start}`, async () => {
      place.environment = { MISBEHAVE: start };
      const error = await refusal(place.external.add(MISBEHAVE, ["MISBEHAVE"]));
      assert.equal(error.code, "task_unusable");
      assert.match(error.message, words);
      assert.match(error.fix, /maestro task test/);
    });
  }

  it("because of its path or its name", async () => {
    assert.equal((await refusal(place.external.add("/no/such/file", []))).code, "not_found");
    assert.equal((await refusal(place.external.add("mine.ts", []))).code, "invalid_request");
    const text = join(place.dataDir, "notes.txt");
    writeFileSync(text, "hello");
    assert.match((await refusal(place.external.add(text, []))).message, /neither executable .* nor a module/);
    const module = join(place.dataDir, "empty.mjs");
    writeFileSync(module, "export default 1;");
    assert.match((await refusal(place.external.add(module, []))).message, /does not export a task/);
    const taken = join(place.dataDir, "exec.mjs");
    writeFileSync(
      taken,
      readFileSync(MISBEHAVE, "utf8")
        .replace('name: "misbehave"', 'name: "exec"')
        .replace("example:", "docs: 'x', example:"),
      { mode: 0o755 },
    );
    assert.match((await refusal(place.external.add(taken, []))).message, /exec@1 is a built-in task type/);
    place.environment = {};
    await place.external.add(MISBEHAVE, []);
    const second = join(place.dataDir, "second.mjs");
    copyFileSync(MISBEHAVE, second);
    const error = await refusal(place.external.add(second, []));
    assert.equal(error.code, "conflict");
    assert.match(error.fix, /maestro task remove misbehave@1/);
  });
});

describe("a program that misbehaves", () => {
  let place: ExternalPlace;
  beforeEach(async () => {
    place = await openExternal();
    await place.external.add(MISBEHAVE, []);
  });
  const end = async (): Promise<void> => {
    await place.close();
    assert.deepEqual(processes(), [], "nothing of it is left");
  };

  for (const [what, code, words] of [
    ["nonsense", "PROTOCOL", /a line on stdout is not JSON .*half way there.*Only messages go to stdout/],
    ["unknown", "PROTOCOL", /has the type "reslut"; a program says hello, description/],
    ["members", "PROTOCOL", /its result message is not well-formed: it has the unknown property "extra"/],
    ["stranger", "PROTOCOL", /a result for a999999, and there is no such attempt/],
    ["line", "LIMIT", /a line on stdout is longer than 17825792 bytes/],
    ["die", "PROGRAM_DIED", /exited with 7 before it had answered\. Its last words:\nfatal: the disk said no/],
    ["kill", "PROGRAM_DIED", /was ended by SIGKILL before it had answered\. It wrote nothing to stderr/],
    ["schema", "OUTPUT_INVALID", /output\/ok must be boolean, is "yes"|output\/ok must be boolean, is string/],
    ["artifact", "PROTOCOL", /its artifact \/etc\/hostname is not in the attempt's folder/],
    ["artifacts", "LIMIT", /An attempt keeps at most 10000 artifacts\. Pack them into an archive/],
    ["unicode", "PROTOCOL", /its artifact has a name that is not Unicode/],
    ["surrogate", "NO_LUCK", /^\ufffd not today$/],
    ["deep", "NO_LUCK", /^deep$/],
    ["reserved", "PROTOCOL", /error\/code/],
    ["failure", "NO_LUCK", /not today/],
  ] as const) {
    it(`fails with ${code}: ${what}`, async () => {
      const result = await place.attempt("misbehave@1", { do: what });
      assert.equal(codeOf(result), code, JSON.stringify(result));
      assert.match(messageOf(result), words);
      assert.equal(
        codeOf(await place.attempt("misbehave@1", { do: "well" })),
        "ok",
        "the next attempt gets a new process",
      );
      await end();
    });
  }

  for (const what of ["twice", "after"]) {
    it(`has answered once and is not believed afterwards: ${what}`, async () => {
      const others = [1, 2].map(() => place.attempt("misbehave@1", { do: "wait" }));
      await seen(place, 2);
      assert.equal(codeOf(await place.attempt("misbehave@1", { do: what })), "ok");
      for (const result of await Promise.all(others)) {
        assert.equal(codeOf(result), "LOST");
        assert.match(messageOf(result), /The process it shared with other attempts ended: .*answered already/);
      }
      await end();
    });
  }

  it("answers for its neighbour: the second answer of that one gives it away", async () => {
    const first = place.attempt("misbehave@1", { do: "wait" });
    await seen(place, 1);
    const second = place.attempt("misbehave@1", { do: "neighbour" });
    assert.equal(codeOf(await first), "ok");
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "twice" })), "ok");
    assert.equal(codeOf(await second), "PROTOCOL");
    await end();
  });

  for (const [what, own] of [
    ["die", "LOST"],
    ["nonsense", "LOST"],
    ["members", "PROTOCOL"],
  ] as const) {
    it(`takes its neighbours with it, who can be tried again: ${what}`, async () => {
      const others = [1, 2, 3].map(() => place.attempt("misbehave@1", { do: "wait" }));
      await seen(place, 3);
      assert.equal(
        codeOf(await place.attempt("misbehave@1", { do: what })),
        own,
        "its own code where the line says whose it is",
      );
      assert.deepEqual((await Promise.all(others)).map(codeOf), ["LOST", "LOST", "LOST"]);
      await end();
    });
  }

  it("floods the log, and all of it is kept", async () => {
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "logs" })), "ok");
    assert.equal((await place.log()).length, 64 * 64 * 1024);
    await end();
  });

  it("floods stderr, of which the log keeps a part and says so", async () => {
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "stderr" })), "ok");
    const log = await place.log();
    assert.ok(log.length > 8 << 20 && log.length < 9 << 20, `${log.length} characters`);
    assert.match(log.slice(-200), /stderr is cut here, after 8388608 bytes/);
    await end();
  });

  it("is called off and answers", async () => {
    const abort = new AbortController();
    const result = place.attempt("misbehave@1", { do: "wait" }, { signal: abort.signal });
    await seen(place, 1);
    abort.abort(calledOff("TIMEOUT"));
    assert.equal(codeOf(await result), "TIMEOUT");
    assert.equal(processes().length, 1, "the process serves on");
    await end();
  });

  it("forks, and nothing of that outlives it", async () => {
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "fork" })), "ok");
    assert.ok(processes().length > 1);
    await end();
  });

  for (const [start, code] of [
    ["deaf", "HEARTBEAT"],
    ["deaf", "CANCELLED"],
  ] as const) {
    it(`ignores ${code}, and is ended when the grace is over`, async () => {
      place.environment = { MISBEHAVE: start };
      await place.external.add(MISBEHAVE, ["MISBEHAVE"]);
      const abort = new AbortController();
      const neighbour = place.attempt("misbehave@1", { do: "wait" });
      const result = place.attempt("misbehave@1", { do: "wait" }, { signal: abort.signal, graceMs: 20 });
      await seen(place, 2);
      abort.abort(calledOff(code));
      assert.equal(codeOf(await result), code);
      assert.equal(codeOf(await neighbour), "LOST");
      await end();
    });
  }

  for (const sandbox of ["none", "strict"] as const) {
    it(
      `stalls, and is ended when its time and its grace are over: ${sandbox}`,
      sandbox === "strict" ? need("bwrap") : {},
      async () => {
        const abort = new AbortController();
        const result = place.attempt("misbehave@1", { do: "stall" }, { signal: abort.signal, graceMs: 20, sandbox });
        await seen(place, 1);
        abort.abort(calledOff("TIMEOUT"));
        assert.equal(codeOf(await result), "TIMEOUT");
        if (sandbox === "none")
          assert.match(
            await place.log(),
            /did not answer within 20 ms that it was called off, so its process was ended/,
          );
        assert.equal(codeOf(await place.attempt("misbehave@1", { do: "well" }, { sandbox })), "ok");
        await end();
      },
    );
  }

  it("does not end at shutdown, and is made to", async () => {
    place.environment = { MISBEHAVE: "immortal" };
    await place.external.add(MISBEHAVE, ["MISBEHAVE"]);
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "well" })), "ok");
    await end();
  });

  it("finds inputs invalid that fit the schema", async () => {
    place.environment = { MISBEHAVE: "validates" };
    await place.external.add(MISBEHAVE, ["MISBEHAVE"]);
    const result = await place.attempt("misbehave@1", { do: "invalid" });
    assert.equal(codeOf(result), "INPUT_INVALID");
    assert.match(messageOf(result), /do: it is not valid; and it is late/);
    assert.equal(codeOf(await place.attempt("misbehave@1", { do: "well" })), "ok");
    await end();
  });

  it("works on one attempt at a time where it says no more: others wait or get another process", async () => {
    place.environment = { MISBEHAVE: "one" };
    await place.external.add(MISBEHAVE, ["MISBEHAVE"]);
    const results = await Promise.all(Array.from({ length: 12 }, () => place.attempt("misbehave@1", { do: "slow" })));
    assert.deepEqual(new Set(results.map(codeOf)), new Set(["ok"]));
    assert.ok(processes().length <= 4);
    const abort = new AbortController();
    const full = Array.from({ length: 4 }, () => place.attempt("misbehave@1", { do: "wait" }));
    await seen(place, 4);
    const waiting = place.attempt("misbehave@1", { do: "well" }, { signal: abort.signal });
    abort.abort(calledOff());
    assert.equal(codeOf(await waiting), "CANCELLED", "also while it waits for a place");
    await place.external.close();
    await Promise.all(full);
    await end();
  });
});

/** Resolves when so many attempts have said that they are at work. */
async function seen(place: ExternalPlace, count: number): Promise<void> {
  while (place.events.length < count) await new Promise((resolve) => setImmediate(resolve));
}
