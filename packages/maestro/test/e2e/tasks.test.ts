import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { RunEvent, TaskError } from "../../src/core/event.ts";
import type { RunView } from "../../src/engine/engine.ts";
import { Place } from "../support/maestro.ts";
import { need } from "../support/need.ts";

// Commands that behave badly, through the whole of it: manifest, engine, runner, logs and command line.

const HEAD = "apiVersion: maestro/v1\nkind: Runbook\n";
const SPEC = "  type: demo\n  purposes: [test]\n  license: internal\n  budget: { wall: 5m }\n";
const task = (script: string, rest = ""): string =>
  `{ uses: exec@1, continueOnError: true, runner: { kind: process, sandbox: none }, with: { script: ${JSON.stringify(script)} }${rest} }`;

const HOSTILE = `${HEAD}metadata: { namespace: t, name: hostile, version: 1.0.0 }
spec:
${SPEC}  tasks:
    flood: ${task("head -c 100000000 /dev/zero | tr '\\\\0' x")}
    forks: ${task("for i in 1 2 3 4 5 6 7 8; do sleep 4711 >/dev/null 2>&1 & done; setsid sleep 4711 >/dev/null 2>&1 & echo forked")}
    shot: ${task("echo last words >&2; kill -9 $$")}
    terminated: ${task("kill -TERM $$")}
    garbled: ${task('printf \'{"a":\' > "$MAESTRO_OUTPUT"')}
    missing: ${task("no-such-command-here")}
    slow: ${task("sleep 4711", ", timeout: { run: 300ms }")}
`;

const SHORT = `${HEAD}metadata: { namespace: t, name: short, version: 1.0.0 }
spec:
${SPEC}  tasks:
    nap: ${task('cat "$MAESTRO_BASE/go" > /dev/null')}
    last: { uses: noop@1, needs: [nap], with: { value: done } }
`;

const stubborn = (first: string): string => `${HEAD}metadata: { namespace: t, name: stubborn, version: 1.0.0 }
spec:
${SPEC}  tasks:
    before: { uses: noop@1, with: { value: 1 } }
    deaf:
      uses: exec@1
      needs: [before]
      runner: { kind: process, sandbox: none }
      with: { script: 'if [ "$MAESTRO_ATTEMPT" = 1 ]; then ${first} fi; echo again' }
    last: { uses: noop@1, needs: [deaf], with: { value: done } }
  outputs: { said: "\${{ tasks.last.output }}" }
`;

describe("commands that behave badly", async () => {
  const place = await Place.make({
    "hostile.yaml": HOSTILE,
    "short.yaml": SHORT,
    "SIGINT.yaml": stubborn('trap "" TERM INT; while :; do sleep 4711; done;'),
    "SIGTERM.yaml": stubborn("sleep 4711;"),
  });
  after(() => place.remove());

  it("each get what they deserve, and nothing of them stays", async () => {
    const ran = await place.run(["run", "hostile.yaml", "-o", "json"]);
    assert.equal(ran.code, 0, ran.err);
    const { tasks } = JSON.parse(ran.out) as RunView;
    const errorOf = (id: string): TaskError | null | undefined => tasks.find((one) => one.id === id)?.error;
    assert.equal(errorOf("flood"), null);
    assert.equal(errorOf("forks"), null);
    assert.deepEqual(
      ["shot", "terminated", "garbled", "missing", "slow"].map((id) => errorOf(id)?.code),
      ["SIGNAL", "SIGNAL", "OUTPUT_INVALID", "EXIT", "TIMEOUT"],
    );
    assert.match(errorOf("shot")?.message ?? "", /was ended by SIGKILL\. Its last words:\nlast words/);
    assert.match(errorOf("terminated")?.message ?? "", /was ended by SIGTERM/);
    assert.match(errorOf("garbled")?.message ?? "", /output\.json is not JSON/);
    assert.match(errorOf("missing")?.message ?? "", /exited with 127 \(a command was not found\)/);
    assert.match(errorOf("slow")?.message ?? "", /longer than timeout\.run allows/);
    assert.deepEqual(sleepers(place.dir), []);
  });

  it("may print 100 MB: it is kept and can be read from its end", async () => {
    const list = await place.run(["logs", "@last", "--list"]);
    const bytes = Number(/^flood\t1\t\d+\t(\d+)$/m.exec(list.out)?.[1]);
    assert.ok(bytes >= 60_000_000, list.out);
    const tail = await place.run(["logs", "@last", "forks", "--tail", "1"]);
    assert.equal(tail.out, "forked\n");
  });

  /** Number and error code of each attempt of that task in the newest run. */
  async function attemptsOf(id: string): Promise<readonly (readonly [number, string | undefined])[]> {
    const { out } = await place.run(["show", "@last", "--events", "-o", "jsonl"]);
    const events = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as RunEvent);
    return events.flatMap((event) =>
      event.kind === "attempt_finished" && event.task === id
        ? [[event.attempt, event.result.ok ? undefined : event.result.error.code] as const]
        : [],
    );
  }

  it("that end in the grace of a shutdown are not started again", need("mkfifo"), async () => {
    execFileSync("mkfifo", [join(place.dir, "go")]);
    const run = place.start(["run", "short.yaml"]);
    await run.shows(/nap started attempt=1/);
    run.child.kill("SIGTERM");
    // It ends when somebody writes there, and that is after the signal was sent.
    await writeFile(join(place.dir, "go"), "");
    assert.equal((await run.ended).code, 143);
    const watched = await place.run(["watch", "@last"]);
    assert.equal(watched.code, 0, watched.err);
    assert.deepEqual(await attemptsOf("nap"), [[1, undefined]]);
  });

  for (const [signal, exit] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    it(`are handed back at ${signal}, deaf or not, and the next command carries the run on`, async () => {
      const run = place.start(["run", `${signal}.yaml`]);
      await run.shows(/deaf started attempt=1/);
      run.child.kill(signal);
      const left = await run.ended;
      assert.equal(left.code, exit, left.err);
      assert.match(left.err, /handed back and goes on with the next `maestro watch`/);
      assert.deepEqual(sleepers(place.dir), []);
      const watched = await place.run(["watch", "@last"]);
      assert.equal(watched.code, 0, watched.err);
      assert.match(watched.err, /said = done/);
      assert.deepEqual(await attemptsOf("deaf"), [
        [1, "LOST"],
        [2, undefined],
      ]);
      assert.equal((await place.run(["replay", "@last"])).code, 0);
    });
  }
});

/** Processes that belong to attempts below that folder and still live. */
function sleepers(dir: string): readonly string[] {
  if (!existsSync("/proc")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => textOf(`/proc/${pid}/environ`).includes(`MAESTRO_DIR=${dir}`))
    .map((pid) => textOf(`/proc/${pid}/cmdline`).replaceAll("\0", " "))
    .filter((command) => command !== "");
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It ended meanwhile.
  }
}
