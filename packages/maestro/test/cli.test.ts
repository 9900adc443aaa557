import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Place } from "./support/maestro.ts";
import type { Ended } from "./support/maestro.ts";

// The command as its users call it: real processes on real data directories, without a terminal.

const HEAD = "apiVersion: maestro/v1\nkind: Runbook\n";
const SPEC = "  type: demo\n  purposes: [test]\n  license: internal\n  budget: { wall: 5m }\n";

const FILES = {
  "ok.yaml": `${HEAD}metadata: { namespace: t, name: ok, version: 1.0.0 }
spec:
${SPEC}  inputs:
    n: { type: integer, default: 3 }
    who: { type: string, default: world }
    tags: { type: array, items: { type: string }, default: [] }
  tasks:
    hello: { uses: exec@1, with: { argv: [printf, 'hello %s\\033[2J\\n', "\${{ inputs.who }}"] } }
    many:
      needs: [hello]
      forEach: { items: "[1, 2, 3]", as: x, max: 2 }
      uses: exec@1
      with: { argv: [sh, -c, 'echo item $X > $X.txt; echo item $X'], env: { X: "\${{ string(x) }}" } }
      artifacts: ["*.txt"]
    last: { uses: noop@1, needs: [many], with: { value: "\${{ inputs.n }}" } }
  outputs: { n: "\${{ tasks.last.output }}", tags: "\${{ inputs.tags }}" }
`,
  "fails.yaml": `${HEAD}metadata: { namespace: t, name: fails, version: 1.0.0 }
spec:
${SPEC}  tasks:
    good: { uses: noop@1, with: { value: 1 } }
    bad: { uses: exec@1, needs: [good], with: { argv: [sh, -c, 'echo out; echo why >&2; test -e mended'] } }
`,
  "asks.yaml": `${HEAD}metadata: { namespace: t, name: asks, version: 1.0.0 }
spec:
${SPEC}  tasks:
    gate: { uses: approval@1, with: { message: "Ship it?", notRequester: false } }
    wait: { uses: wait@1, needs: [gate], with: { signal: go } }
    last: { uses: noop@1, needs: [wait], with: { value: "\${{ tasks.wait.output }}" } }
`,
  "broken.yaml": `${HEAD}metadata: { namespace: t, name: broken, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  tasks:
    a: { uses: exek@1, with: { argv: ["true"] } }
    b: { uses: noop@1, needs: [aa], with: { value: 1 } }
`,
};

let place: Place;
let ran: Ended;
let id = "";

function json(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>;
}

describe("maestro, without a terminal", () => {
  before(async () => {
    place = await Place.make(FILES);
    // One process holds the engine for all that follow, as `maestro run` in another window would; who takes over from whom
    // is the subject of terminal.test.ts.
    const owner = place.start(["run", "asks.yaml", "--name", "owner"]);
    await owner.shows(/gate waits for approval/);
    ran = await place.run([
      "run",
      "ok.yaml",
      "-i",
      "n=7",
      "-i",
      "tags=a",
      "-i",
      "tags=b",
      "--label",
      "env=test",
      "--name",
      "first",
    ]);
    id = ran.out.split("\t")[0] ?? "";
  });
  after(() => place.remove());

  it("runs a file: one line per transition on stderr, one row on stdout, the outcome as exit code", () => {
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.out, /^r_[0-9a-z]{19}\tsucceeded\tsha256:[0-9a-f]{64}\n$/);
    assert.match(ran.err, /^\d\d:\d\d:\d\dZ \w{6} hello started attempt=1$/m);
    assert.match(ran.err, /^\d\d:\d\d:\d\dZ \w{6} many\[2\] succeeded attempt=1 exit=0 took=/m);
    assert.match(ran.err, /^✓ succeeded {2}first \w{6} /m);
    assert.match(ran.err, /receipt {2}sha256:\w{12}… {2}verified \(\d+ checks\)/);
    assert.match(ran.err, /output {3}tags = \["a","b"\]/);
    assert.doesNotMatch(ran.err, /\x1b/); // oxlint-disable-line no-control-regex -- no colour in a pipe
  });

  it("lists, shows and searches runs", async () => {
    const [list, names, none, some, shown, wide] = await Promise.all([
      place.run(["runs"]),
      place.run(["runs", "-o", "name", "--label", "env=test"]),
      place.run(["runs", "--status", "failed,denied", "--workflow", "ok"]),
      place.run(["runs", "FIRST", "--since", "1h", "--fields", "id,status"]),
      place.run(["show", id.slice(-6), "-o", "json"]),
      place.run(["show", "@last"]),
    ]);
    assert.match(list.out, new RegExp(`^${id}\tsucceeded\tfirst\tt/ok@1\\.0\\.0\t3/3\t`, "m"));
    assert.match(names.out, new RegExp(`^${id}$`, "m"));
    assert.deepEqual([none.out, none.code], ["", 0]);
    assert.match(some.out, new RegExp(`^${id}\tsucceeded$`, "m"));
    const view = json(shown.out) as { apiVersion: string; run: { id: string; status: string }; outputs: object };
    assert.deepEqual(
      [view.apiVersion, view.run.id, view.run.status, view.outputs],
      ["maestro/v1", id, "succeeded", { n: 7, tags: ["a", "b"] }],
    );
    assert.match(wide.out, /✓ many +succeeded +exec@1 +3\/3/);
  });

  it("gives logs as the tasks wrote them, searched, listed and cut", async () => {
    const [one, all, tail, found, nothing, list] = await Promise.all([
      place.run(["logs", id, "hello"]),
      place.run(["logs", id]),
      place.run(["logs", id, "many[1]", "--tail", "1"]),
      place.run(["logs", id, "--grep", "ITEM 2"]),
      place.run(["logs", id, "--grep", "nothing like it"]),
      place.run(["logs", id, "--list"]),
    ]);
    assert.equal(one.out, "hello world\x1b[2J\n");
    assert.match(all.out, /==> many\[2\] <==\nitem 3\n/);
    assert.equal(tail.out, "item 2\n");
    assert.equal(found.out, "many[1]:1:item 2\n");
    assert.deepEqual([nothing.code, nothing.out], [1, ""]);
    assert.match(list.out, /^many\[0\]\t1\t1\t7$/m);
  });

  it("shows history and artifacts, saves them, and decides the history again", async () => {
    const [events, artifacts, replay] = await Promise.all([
      place.run(["show", id, "--events", "-o", "jsonl"]),
      place.run(["show", id, "--artifacts", "--save", "out"]),
      place.run(["replay", id, "-o", "json"]),
    ]);
    const kinds = events.out
      .trim()
      .split("\n")
      .map((line) => json(line)["kind"]);
    assert.deepEqual([kinds[0], kinds.at(-1)], ["run_created", "run_ended"]);
    assert.match(artifacts.out, /^many\[0\]\t1\.txt\t7\tsha256:/m);
    assert.equal(await readFile(join(place.dir, "out/many[1]/2.txt"), "utf8"), "item 2\n");
    assert.equal(json(replay.out)["equal"], true);
  });

  it("exports receipts that verify offline without a data directory, and refuses changed ones", async () => {
    const exported = await place.run(["receipt", "export", id, "--to", "ev"]);
    assert.equal(exported.code, 0, exported.err);
    const env = { MAESTRO_DATA: join(place.dir, "none") };
    const evidence = ["--trust-root", "ev/trust-root.json", "--plan", "ev/plan.json", "--events", "ev/events.jsonl"];
    const good = await place.run(
      ["verify", "ev/receipt.json", ...evidence, "--subject", "out/many[1]/2.txt", "--run", id, "-o", "json"],
      { env },
    );
    assert.deepEqual([good.code, json(good.out)["verified"]], [0, true], good.out);
    const bundle = await readFile(join(place.dir, "ev/receipt.json"), "utf8");
    await writeFile(
      join(place.dir, "ev/changed.json"),
      bundle.replace(/"sig":"(.)/, (_, first: string) => `"sig":"${first === "A" ? "B" : "A"}`),
    );
    const [changed, other, missing, noRoot, own] = await Promise.all([
      place.run(["verify", "ev/changed.json", ...evidence], { env }),
      place.run(["verify", "ev/receipt.json", ...evidence, "--subject", "ok.yaml"], { env }),
      place.run(["verify", "ev/none.json", ...evidence], { env }),
      place.run(["verify", "ev/receipt.json"], { env }),
      place.run(["receipt", "show", id]),
    ]);
    assert.deepEqual([changed.code, other.code, missing.code, noRoot.code, own.code], [7, 7, 2, 2, 0]);
    assert.match(changed.out, /FAILED {2}was signed by that key/);
    assert.match(noRoot.err, /Pass the signing installation's keys\/trust-root\.json with --trust-root/);
  });

  it("fails with the task's own words, and retries in the same run", async () => {
    const failed = await place.run(["run", "fails.yaml"]);
    assert.equal(failed.code, 1);
    assert.match(failed.err, /bad {2}EXIT: /);
    assert.match(failed.err, /next {5}maestro logs \w+ --failed/);
    const logs = await place.run(["logs", "@failed", "--failed"]);
    assert.match(logs.out, /^(out\nwhy|why\nout)\n$/);
    await writeFile(join(place.dir, "mended"), "");
    const again = await place.run(["run", "--from-run", "@failed", "--wait", "-o", "name"]);
    assert.equal(again.code, 1, "the folder of an attempt is its own");
    const retried = await place.run(["retry", failed.out.split("\t")[0] ?? "", "--wait"]);
    assert.equal(retried.code, 1);
    const receipts = await place.run(["receipt", "list", failed.out.split("\t")[0] ?? ""]);
    assert.equal(receipts.out.trim().split("\n").length, 2);
  });

  it("says what failed where that wrote nothing", async () => {
    await writeFile(
      join(place.dir, "silent.yaml"),
      (FILES["fails.yaml"] ?? "").replace(/\[sh, -c.*\]/, "[no-such-command]"),
    );
    const run = await place.run(["run", "silent.yaml", "--name", "silent"]);
    assert.equal(run.code, 1);
    const { out, err, code } = await place.run(["logs", run.out.split("\t")[0] ?? "", "--failed"]);
    assert.deepEqual([out, code], ["", 0]);
    assert.match(
      err,
      /^What failed wrote nothing\. It failed with:\n {2}✗ bad {2}COMMAND_NOT_FOUND: .*absolute path\.\n {2}next {5}maestro show \w+ --events\n$/,
    );
    assert.match((await place.run(["logs", id, "--failed"])).err, /No task of this run has failed\./);
  });

  it("waits for people and signals across processes, exit 10 with --no-wait", async () => {
    const asked = await place.run(["run", "asks.yaml", "--no-wait"]);
    assert.equal(asked.code, 10, asked.err);
    const run = asked.out.split("\t")[0] ?? "";
    const approvals = json((await place.run(["approvals", run, "-o", "json"])).out)["approvals"] as readonly {
      id: string;
      planDigest: string;
      message: string;
    }[];
    assert.deepEqual(
      approvals.map(({ message }) => message),
      ["Ship it?"],
    );
    const { id: approval = "", planDigest = "" } = approvals[0] ?? {};
    const [unsaid, other, unknown] = await Promise.all([
      place.run(["approve", approval]),
      place.run(["approve", approval, "--plan", `sha256:${"0".repeat(64)}`, "--reason", "x"]),
      place.run(["approve", "a_zzzzzz", "--plan", planDigest, "--reason", "x"]),
    ]);
    assert.deepEqual([unsaid.code, other.code, unknown.code], [2, 6, 5], unsaid.err + other.err + unknown.err);
    assert.match(unsaid.err, /approve needs --plan and --reason here/);
    const approved = await place.run(["approve", approval, "--plan", planDigest, "--reason", "looked at it"]);
    assert.equal(approved.code, 0, approved.err);
    assert.match(approved.err, /^\w{6} gate approved; /);
    const [badPayload, signalled] = [
      await place.run(["signal", run, "go", "{"]),
      await place.run(["signal", run, "go", "-"], { stdin: '{"v":1}' }),
    ];
    assert.deepEqual([badPayload.code, signalled.code], [2, 0], signalled.err);
    const watched = await place.run(["watch", run, "-o", "json"]);
    assert.equal(watched.code, 0, watched.err);
    const twice = await place.run(["approve", approval, "--plan", planDigest, "--reason", "again"]);
    assert.equal(twice.code, 5);
  });

  it("denies, cancels and times out with their own exit codes", async () => {
    const asked = await place.run(["run", "asks.yaml", "--no-wait", "-o", "name"]);
    const [approval] = json((await place.run(["approvals", asked.out.trim(), "-o", "json"])).out)[
      "approvals"
    ] as readonly { id: string; planDigest: string }[];
    const denied = await place.run([
      "deny",
      asked.out.trim(),
      "--plan",
      approval?.planDigest ?? "",
      "--reason",
      "freeze",
    ]);
    assert.equal(denied.code, 0, denied.err);
    assert.equal((await place.run(["watch", asked.out.trim()])).code, 3);
    const timed = await place.run(["run", "asks.yaml", "--timeout", "300ms"]);
    assert.equal(timed.code, 8, timed.err);
    assert.match(timed.err, /the time to watch it is over: it is still running/);
    const cancelled = await place.run(["cancel", "@last", "--reason", "enough", "-o", "json"]);
    assert.equal(cancelled.code, 0, cancelled.err);
    assert.equal((json(cancelled.out) as { run: { status: string } }).run.status, "cancelled");
    assert.equal((await place.run(["watch", "@last"])).code, 1);
    assert.equal((await place.run(["cancel", "@last"])).code, 6);
    const policy = await place.run(["run", "ok.yaml", "--purpose", "mischief", "-o", "json"]);
    assert.equal(policy.code, 3, policy.err);
  });

  it("takes stored workflows, inputs from files and stdin, and gives the first run for a key", async () => {
    const first = await place.run(["run", "ok@1.0.0", "-f", "-", "--wait", "--key", "k1"], {
      stdin: "n: 9\nwho: ada\n",
    });
    assert.match(first.err, /output {3}n = 9/);
    const second = await place.run(["run", "t/ok", "-f", "-", "--wait", "--key", "k1"], {
      stdin: '{"n":9,"who":"ada"}',
    });
    assert.equal(second.out.split("\t")[0], first.out.split("\t")[0]);
    const again = await place.run(["run", "--from-run", id, "--from", "last", "-i", "n=11", "--wait", "-o", "json"]);
    assert.equal((json(again.out) as { outputs: { n: number } }).outputs.n, 11, again.err);
    const manifest = await place.run(["run", "-", "--dry-run", "-o", "name"], { stdin: FILES["ok.yaml"] });
    const plan = await place.run(["plan", "ok.yaml", "-o", "name"]);
    assert.equal(manifest.out, plan.out);
    assert.match(manifest.err, /gate allows it/);
    const before = (await place.run(["runs", "-o", "name"])).out;
    const denied = await place.run(["run", "ok.yaml", "--dry-run", "--purpose", "mischief"]);
    assert.equal(denied.code, 3);
    assert.match(denied.err, /gate denies it: purpose mischief is not one of/);
    assert.equal((await place.run(["runs", "-o", "name"])).out, before);
  });

  it("plans and lints, all problems at once, in every format", async () => {
    const [tree, dot, bad, data, sarif, github, folder] = await Promise.all([
      place.run(["plan", "ok.yaml"]),
      place.run(["plan", "ok.yaml", "-o", "dot"]),
      place.run(["lint", "broken.yaml"]),
      place.run(["lint", "broken.yaml", "--format", "json"]),
      place.run(["lint", "broken.yaml", "--format", "sarif"]),
      place.run(["lint", "broken.yaml"], { env: { GITHUB_ACTIONS: "true" } }),
      place.run(["lint", "."]),
    ]);
    assert.match(tree.out, /^t\/ok@1\.0\.0 {2}3 tasks\n/);
    assert.match(dot.out, /"hello" -> "many";/);
    assert.equal(bad.code, 1);
    assert.match(bad.out, /broken\.yaml:9:\d+: error\[WF040\]/);
    assert.match(bad.out, /broken\.yaml:10:\d+: error\[WF012\]/);
    assert.equal((json(data.out)["diagnostics"] as readonly object[]).length, 2);
    assert.equal(json(sarif.out)["version"], "2.1.0");
    assert.match(github.out, /^::error file=broken\.yaml,line=9/);
    assert.equal(folder.code, 5, "files in folders are named *.maestro.yaml");
  });

  it("gives errors as data with -o json, and stacks only with --debug", async () => {
    const [plain, debug] = await Promise.all([
      place.run(["show", "r_zzz", "-o", "json"]),
      place.run(["show", "r_zzz", "--debug"]),
    ]);
    assert.deepEqual([plain.code, plain.err], [5, ""]);
    const { error } = json(plain.out) as { error: { code: string; class: string; fix: readonly string[] } };
    assert.deepEqual([error.code, error.class, error.fix.length], ["not_found", "not_found", 1]);
    assert.match(debug.err, /\n {4}at /);
  });

  it("explains itself without a data directory", async () => {
    const env = { MAESTRO_DATA: "/dev/null/none" };
    const [help, exit, code, tasks, schema] = await Promise.all(
      [["--help"], ["help", "exit-codes"], ["help", "plan_changed"], ["task", "list"], ["task", "schema", "exec"]].map(
        (args) => place.run(args, { env }),
      ),
    );
    assert.match(help?.out ?? "", /Every day:\n {2}run /);
    assert.match(exit?.out ?? "", /10 {2}it waits for an approval/);
    assert.match(code?.out ?? "", /exit code 6, HTTP status 409/);
    assert.match(tasks?.out ?? "", /^exec@1\t/m);
    assert.ok("input" in json(schema?.out ?? ""));
    const runs = await place.run(["runs"], { env });
    assert.equal(runs.code, 9, runs.err);
  });

  it("does not load fetch, neither to work here nor to ask an engine that is up", async () => {
    // The modules that Node carries along and has loaded when the command ends.
    const tell = `process.on("exit", () => console.error(process.moduleLoadList.filter((name) => name.includes("undici")).join()))`;
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tell)}` };
    const alone = await Place.make();
    const ended = await Promise.all([alone, place].map((one) => one.run(["runs"], { env })));
    await alone.remove();
    assert.deepEqual(
      ended.map(({ code, err }) => [code, err.trim()]),
      [
        [0, ""],
        [0, ""],
      ],
    );
  });

  it("obeys FORCE_COLOR and NO_COLOR", async () => {
    const [forced, none] = await Promise.all([
      place.run(["show", id], { env: { FORCE_COLOR: "1" } }),
      place.run(["show", id], { env: { NO_COLOR: "1" } }),
    ]);
    assert.ok(forced.out.includes("\x1b[32m✓\x1b[39m"));
    assert.ok(!none.out.includes("\x1b"));
  });
});
