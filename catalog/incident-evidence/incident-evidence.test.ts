import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Place } from "../../packages/maestro/test/support/maestro.ts";
import { assertSigned, receiver } from "../../packages/maestro/test/support/receiver.ts";

// The runbook for real: logs with secrets in them, commands that work and fail, tar, and a receiver that verifies.

const RUNBOOK = fileURLToPath(new URL("incident-evidence.maestro.yaml", import.meta.url));
const PURPOSE = ["--purpose", "incident", "--authority", "INC-7"];
const KEY = Buffer.from("a key of thirty-two bytes, exact").toString("base64");

/** What must be found nowhere afterwards, each as it stands in a log. */
const SECRETS: Readonly<Record<string, string>> = {
  "hunter2-very-secret": "start password=hunter2-very-secret user=alice",
  "s3ssion-c00kie": "GET /x Cookie: sid=s3ssion-c00kie; theme=dark",
  "bearer.of.news": "GET /x Authorization: Bearer bearer.of.news",
  pgsecret99: "connect postgres://app:pgsecret99@db/shop failed",
  MIIEvKEYMATERIAL: "-----BEGIN RSA PRIVATE KEY-----\nMIIEvKEYMATERIAL\n-----END RSA PRIVATE KEY-----",
  AKIAIOSFODNN7EXAMPLE: "used AKIAIOSFODNN7EXAMPLE for s3",
  c2lnbmF0dXJl: "jwt eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl done",
};
const COMMANDS = [
  { name: "system", run: "uname -s; cat service.env" },
  { name: "broken", run: "echo the disk is gone >&2; exit 3" },
];

interface Run {
  readonly run: { readonly id: string };
  readonly outputs: Readonly<Record<string, string | number>>;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly tasks: readonly { readonly id: string; readonly status: string }[];
}

describe("incident-evidence", () => {
  let place: Place;
  before(async () => {
    place = await Place.make({ "service.env": 'API_KEY="t0k3n-in-a-file"\n', "app.yaml": "port: 8080\n" });
    chmodSync(place.dir, 0o755);
    mkdirSync(join(place.dir, "logs"));
    writeFileSync(join(place.dir, "logs/app.log"), `${Object.values(SECRETS).join("\n")}\nlast line\n`);
  });
  after(() => place.remove());

  it("keeps what there is, without secrets, sealed and told", async () => {
    await using server = await receiver();
    writeFileSync(join(place.dir, "hook.url"), `${server.url}/incidents`);
    const run = await start(["-i", "receiver=hook.url", "-i", 'allowPrivate=["127.0.0.1"]'], 0);
    assert.deepEqual([run.outputs["logs"], run.outputs["files"], run.outputs["missing"]], [1, 5, 2]);

    await maestro(["show", run.run.id, "--artifacts", "--save", "out"], 0);
    const archive = join(place.dir, "out/bundle/evidence.tgz");
    assert.equal(sha256(readFileSync(archive)), run.outputs["archive"]);
    const evidence = join(place.dir, "evidence");
    mkdirSync(evidence);
    execFileSync("tar", ["-xzf", archive, "-C", evidence]);
    execFileSync("sha256sum", ["-c", "--quiet", "SHA256SUMS"], { cwd: evidence });
    const kept = (name: string): string => readFileSync(join(evidence, name), "utf8");
    assert.match(kept("log-0-logs-app.log"), /^start password=\[removed\] user=alice$/m);
    assert.match(kept("log-0-logs-app.log"), /^connect postgres:\/\/app:\[password removed\]@db\/shop failed$/m);
    assert.match(kept("log-0-logs-app.log"), /^\[private key removed\]$[\s\S]*^last line$/m);
    assert.match(kept("answer-system.txt"), /^Linux\nAPI_KEY="\[removed\]"\nexit 0$/m);
    assert.equal(kept("answer-broken.txt"), "the disk is gone\nexit 3\n", "a command that fails is evidence too");
    assert.equal(kept("digests.txt"), `${sha256("port: 8080\n").slice(7)}  app.yaml\n`);

    const [told] = server.seen;
    assert.ok(told !== undefined);
    assertSigned(told, KEY);
    const { data } = JSON.parse(told.body) as {
      data: { title: string; severity: string; fields: { name: string; value: string }[] };
    };
    assert.deepEqual([data.title, data.severity], ["Evidence for INC-7: succeeded", "warning"]);
    assert.deepEqual(
      data.fields.map(({ value }) => value),
      [run.outputs["archive"], "1 of 2", "1 of 2"],
    );

    for (const secret of [...Object.keys(SECRETS), "t0k3n-in-a-file", KEY])
      for (const folder of ["data", "out", "evidence"])
        for (const file of filesIn(join(place.dir, folder)))
          assert.ok(!readFileSync(file).includes(secret), `${secret} is in ${file}`);

    await maestro(["receipt", "export", run.run.id, "--to", "receipt"], 0);
    const verify = ["verify", "receipt/receipt.json", "--trust-root", "receipt/trust-root.json", "--subject"];
    await maestro([...verify, archive], 0);
    writeFileSync(archive, Buffer.concat([readFileSync(archive), Buffer.from("x")]));
    await maestro([...verify, archive], 7);
  });

  it("keeps nothing and says why when the filter leaves a secret behind, and tells that too", async () => {
    await using server = await receiver();
    writeFileSync(join(place.dir, "hook.url"), server.url);
    // It removes one letter at a time, so that there is always one more to remove.
    const careless = ["-i", "redact=s/aa/a/", "-i", 'commands=[{"name":"loud","run":"echo aaaa"}]'];
    const run = await start(["-i", "receiver=hook.url", "-i", 'allowPrivate=["127.0.0.1"]', ...careless], 1);
    assert.equal(run.error?.code, "EXIT");
    assert.match(run.error.message, /answer-loud\.txt still holds what should be removed/);
    const { data } = JSON.parse(server.seen[0]?.body ?? "") as { data: { title: string; severity: string } };
    assert.deepEqual([data.title, data.severity], ["Evidence for INC-7: failed", "error"]);
  });

  it("tells nobody where nobody is named, and needs a reason", async () => {
    const run = await start([], 0);
    assert.equal(run.tasks.find(({ id }) => id === "tell")?.status, "skipped");
    const { err } = await maestro(["run", RUNBOOK, "--purpose", "incident"], 3);
    assert.match(err, /requires an authority/);
  });

  async function start(more: readonly string[], code: number): Promise<Run> {
    const inputs = ["-i", 'logs=["logs/app.log","logs/none.log"]', "-i", 'files=["app.yaml"]'];
    const commands = more.some((word) => word.startsWith("commands="))
      ? []
      : ["-i", `commands=${JSON.stringify(COMMANDS)}`];
    const { out } = await maestro(
      ["run", RUNBOOK, ...PURPOSE, "--wait", "-o", "json", ...inputs, ...commands, ...more],
      code,
    );
    return JSON.parse(out) as Run;
  }

  async function maestro(
    args: readonly string[],
    code: number,
  ): Promise<{ readonly out: string; readonly err: string }> {
    const ended = await place.run(args, { env: { INCIDENT_KEY: KEY } });
    assert.equal(ended.code, code, `maestro ${args.join(" ")}\n${ended.out}\n${ended.err}`);
    return ended;
  }
});

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  );
}

function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
