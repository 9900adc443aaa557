import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { Place } from "./support/maestro.ts";

const SECRET = "hunter2-planted-secret";
const FILES = {
  "hello.yaml": `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: hello, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  budget: { wall: 1m }
  inputs: { word: { type: string } }
  tasks: { say: { uses: noop@1, with: { value: "\${{ inputs.word }}" } } }
`,
};

interface Report {
  readonly ok: boolean;
  readonly checks: readonly {
    readonly check: string;
    readonly status: string;
    readonly detail: string;
    readonly fix: string | null;
  }[];
  readonly mended: readonly string[];
}

let place: Place;
let data: string;
before(async () => {
  place = await Place.make(FILES);
  data = join(place.dir, "data");
});
after(() => place.remove());

async function doctor(...args: readonly string[]): Promise<Report & { readonly code: number | null }> {
  const { out, err, code } = await place.run(["doctor", "-o", "json", ...args]);
  assert.match(out, /^\{.*"kind":"DoctorReport"/, err);
  return { ...(JSON.parse(out) as Report), code };
}
function one(report: Report, check: string, status?: string): Report["checks"][number] {
  const found = report.checks.filter(
    (each) => each.check === check && (status === undefined || each.status === status),
  );
  assert.equal(found.length, 1, `${check} ${status ?? ""}: ${JSON.stringify(report.checks, null, 1)}`);
  return found[0] as Report["checks"][number];
}

it("looks at a directory that is not there, and makes none", async () => {
  const report = await doctor();
  assert.deepEqual([report.code, report.ok], [0, true]);
  assert.match(one(report, "data directory", "warning").detail, /is not there yet/);
  assert.equal(existsSync(data), false);
});

it("says whose a directory is that belongs to another user, and who this is", async () => {
  let other = "/";
  if (process.getuid?.() === 0) {
    other = join(place.dir, "other");
    mkdirSync(other, { mode: 0o700 });
    chownSync(other, 65_534, 65_534);
  }
  const report = await doctor("--data", other);
  assert.equal(report.code, 1);
  const { detail, fix } = one(report, "data directory", "failed");
  assert.match(detail, /belongs to user \d+, and this is user \d+$/);
  assert.match(fix ?? "", /`chown -R \d+ \//);
});

it("is content with a sound installation, up or down, and changes nothing", async () => {
  const run = await place.run(["run", "hello.yaml", "--wait", "--input", `word=${SECRET}`, "-o", "name"]);
  assert.equal(run.code, 0, run.err + run.out);
  const before = readdirSync(data).toSorted();
  const down = await doctor();
  assert.deepEqual(readdirSync(data).toSorted(), before);
  assert.deepEqual(
    down.checks.filter(({ status }) => status === "failed"),
    [],
  );
  assert.equal(down.code, 0);
  for (const check of [
    "node",
    "permissions",
    "disk space",
    "database",
    "schema",
    "clock",
    "signing key",
    "identity",
    "retention",
  ])
    one(down, check, "ok");
  assert.match(one(down, "engine", "info").detail, /none/);
  assert.match(one(down, "backup", "warning").fix ?? "", /maestro backup create/);

  const up = place.start(["up"]);
  await up.shows(/is up/);
  const running = await doctor();
  assert.match(one(running, "engine", "ok").detail, new RegExp(`process ${up.child.pid} answers`));
  assert.equal(running.code, 0);

  rmSync(join(data, "control.sock"));
  const deaf = await doctor();
  assert.match(one(deaf, "engine", "failed").detail, new RegExp(`^process ${up.child.pid}, .* does not answer`));
  assert.match(one(deaf, "control socket", "warning").fix ?? "", /end it and start it again/);
  up.child.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});

it("names what is wrong, with the way out, fails, and mends what can be mended", async () => {
  const pem = readdirSync(join(data, "keys")).find((name) => name.endsWith(".pem")) ?? "";
  chmodSync(join(data, "keys", pem), 0o644);
  mkdirSync(join(data, "work/r_0000000000000000000"), { recursive: true });
  writeFileSync(join(data, "retention.yaml"), "retention: { default: { log: 1d } }\n");
  const db = new DatabaseSync(join(data, "maestro.db"));
  const later = Date.now() + 3_600_000;
  db.exec(`update run set ended_at = ${later}`);
  db.close();
  // As an engine that was killed leaves it: node itself would remove it at a good end.
  const socket = JSON.stringify(join(data, "control.sock"));
  const listen = `process.umask(0o177); require("net").createServer().listen(${socket}, () => process.kill(process.pid, 9))`;
  spawnSync(process.execPath, ["-e", listen]);
  const report = await doctor();
  assert.deepEqual([report.code, report.ok], [1, false]);
  assert.match(one(report, "permissions", "failed").fix ?? "", /`chmod 600 .*\.pem`; if others had access/);
  assert.match(one(report, "signing key", "failed").detail, /its mode is 644/);
  assert.match(one(report, "retention", "failed").detail, /has no member "log"; did you mean logs\?/);
  assert.match(one(report, "clock", "failed").fix ?? "", /timedatectl/);
  assert.match(one(report, "control socket", "warning").detail, /left behind by an engine that was killed/);
  assert.match(one(report, "work folders", "warning").detail, /1 of runs that this directory does not know/);
  assert.equal(statSync(join(data, "keys", pem)).mode & 0o777, 0o644, "without --fix it reads only");

  const mended = await doctor("--fix");
  assert.deepEqual(
    mended.mended.map((line) => line.split(":")[0]),
    ["permissions", "control socket", "work folders"],
  );
  assert.equal(statSync(join(data, "keys", pem)).mode & 0o777, 0o600);
  assert.equal(existsSync(join(data, "work/r_0000000000000000000")), false);
  one(mended, "permissions", "ok");
  assert.equal(mended.code, 1, "what needs a person still fails");

  writeFileSync(join(data, "retention.yaml"), "retention: { default: { logs: 9d } }\n");
  const words = await place.run(["doctor"]);
  assert.match(words.out, /^ok {6}retention {9}work 7d, logs 9d, artifacts 90d/m);
  assert.match(words.out, /^failed {2}clock .*\n {8}fix: +Set the clock right/m);
  assert.match(words.err, /\d+ checks, 1 failed, \d+ warnings?\n/);
});

it("writes a bundle without any secret, says first what is in it, and never over a file", async () => {
  const log = join(place.dir, "engine.log");
  writeFileSync(
    log,
    `{"message":"calling"}\npassword=${SECRET}1\nAuthorization: Bearer ${SECRET}2\nplain ${SECRET}3 text\n`,
  );
  const env = { DEPLOY_TOKEN: `${SECRET}3`, MAESTRO_KEY_PASSPHRASE: `${SECRET}4` };
  const { err } = await place.run(["doctor", "--bundle", "support.tar.gz", "--log", log], { env });
  assert.match(
    err,
    /The bundle holds[^\n]*\n {2}doctor\.json [^\n]*\n {2}versions\.json [\s\S]*log\.txt [\s\S]*wrote support\.tar\.gz/,
  );
  const file = join(place.dir, "support.tar.gz");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const text = gunzipSync(readFileSync(file)).toString("utf8");
  assert.doesNotMatch(text, /hunter2/);
  assert.doesNotMatch(text, /PRIVATE KEY/);
  for (const wanted of [
    "maestro-support/counts.json",
    '"succeeded": 1',
    "plain [redacted] text",
    '"process": 4',
    '"logs": "9d"',
  ])
    assert.ok(text.includes(wanted), wanted);
  const again = await place.run(["doctor", "--bundle", "support.tar.gz"]);
  assert.match(again.err, /error\[conflict\].*There is a file/);
  assert.equal((await place.run(["doctor", "--log", "x"])).code, 2);
});

it("says of a damaged database that it is damaged, and how to go on", async () => {
  const path = join(data, "maestro.db");
  const bytes = readFileSync(path);
  bytes.fill(0xff, 4_096, 12_288);
  writeFileSync(path, bytes);
  const report = await doctor();
  assert.equal(report.code, 1);
  assert.match(one(report, "database", "failed").fix ?? "", /maestro restore FILE/);
});
