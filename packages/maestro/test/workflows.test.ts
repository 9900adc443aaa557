import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, beforeEach, describe, it } from "node:test";
import { crc32 } from "node:zlib";
import { openControlPlane } from "../src/serve.ts";
import type { ControlPlane } from "../src/serve.ts";
import { readTrustRoot } from "../src/provenance/trust.ts";
import { verifyWorkflow } from "../src/provenance/verify-workflow.ts";

// Publishing on a real control plane, and what somebody with access to the database cannot do.

function manifest(version: string, value = 1, more = "", name = "orders"): string {
  return `# as its author wrote it ${more}
apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: ${name}, version: ${version} }
spec:
  type: demo
  purposes: [test]
  license: internal
  budget: { wall: 5m }
  tasks:
    say: { uses: noop@1, with: { value: ${value} } }
  outputs: { said: "\${{ tasks.say.output }}" }
`;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & { readonly run?: { readonly planDigest: string; readonly version: string } };
}

describe("published workflows", () => {
  let dir = "";
  let plane: ControlPlane;
  const open = async (): Promise<void> => {
    plane = await openControlPlane({ dataDir: join(dir, "data") });
  };
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-workflows-"));
    await open();
  });
  after(async () => {
    await plane.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  let version = "";
  let count = 0;
  beforeEach(() => {
    version = `1.${(count += 1)}.0`;
  });

  async function call(method: string, path: string, body?: object, headers = {}): Promise<Answer> {
    const request = new Request(`http://maestro.local${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const response = await plane.asOwner(request);
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text || "{}") as Answer["body"] };
  }
  const publish = (text: string) => call("POST", "/v1/workflows", { manifest: text, file: "orders.yaml" });
  const start = (workflow: string) => call("POST", "/v1/runs", { workflow });
  const said = ({ status, body }: Answer): string => `${status} ${String(body["code"])}: ${String(body["detail"])}`;

  /** Changes the row behind the store's back, as who can write the file can: triggers taken away, checksum mended. */
  async function tamper(sql: string, ...values: readonly string[]): Promise<void> {
    await plane.close();
    const db = new DatabaseSync(join(dir, "data/maestro.db"));
    const triggers = db.prepare("select name, sql from sqlite_master where type = 'trigger' and tbl_name = 'workflow'");
    const kept = triggers.all();
    for (const { name } of kept) db.exec(`drop trigger ${String(name)}`);
    db.prepare(sql).run(...values, version);
    const columns = "namespace, name, version, plan_digest, manifest, bundle, created_at";
    for (const row of db.prepare(`select ${columns} from workflow`).all())
      db.prepare("update workflow set checksum = ? where plan_digest = ?").run(
        crc32(JSON.stringify(Object.values(row))),
        row["plan_digest"] as string,
      );
    for (const { sql: text } of kept) db.exec(String(text));
    db.close();
    await open();
  }

  it("are created once, and run by their name for good", async () => {
    const first = await publish(manifest(version));
    assert.equal(first.status, 201, JSON.stringify(first.body));
    assert.equal(first.headers.get("location"), `/v1/workflows/shop%2Forders%40${version}`);
    const again = await publish(manifest(version, 1, "with another comment"));
    assert.equal(again.status, 200);
    assert.deepEqual(
      [again.body["planDigest"], again.body["createdAt"]],
      [first.body["planDigest"], first.body["createdAt"]],
    );
    const run = await start(`shop/orders@${version}`);
    assert.deepEqual([run.status, run.body.run?.planDigest], [201, first.body["planDigest"]]);
  });

  it("are a conflict with another content, and stay what they were", async () => {
    const { body } = await publish(manifest(version));
    const other = await publish(manifest(version, 2));
    assert.match(said(other), /^409 conflict: shop\/orders@1\.\d+\.0 was published already: with another content/);
    assert.match(String(other.body["fix"]), /Raise metadata\.version/);
    assert.equal((await call("GET", `/v1/workflows/orders@${version}`)).body["planDigest"], body["planDigest"]);
    const racing = await Promise.all([3, 4, 5, 6].map((value) => publish(manifest(`${version}-rc.1`, value))));
    assert.deepEqual(
      racing.map(({ status }) => status).toSorted((a, b) => a - b),
      [201, 409, 409, 409],
    );
  });

  it("are refused with every diagnostic when the manifest is broken", async () => {
    const { status, body } = await publish(manifest(version).replace("noop@1", "nop@1"));
    assert.deepEqual([status, body["code"]], [400, "invalid_manifest"]);
    const { diagnostics } = body["facts"] as { diagnostics: readonly { file: string; line: number }[] };
    assert.deepEqual([diagnostics[0]?.file, diagnostics[0]?.line], ["orders.yaml", 11]);
  });

  it("come with manifest, plan and a signature that verifies offline", async () => {
    await publish(manifest(version, 7, "mine"));
    const { body, headers } = await call("GET", `/v1/workflows/shop%2Forders@${version}`);
    assert.deepEqual([body["source"], body["manifest"]], ["published", manifest(version, 7, "mine")]);
    const trust = await plane.asOwner(new Request("http://maestro.local/v1/trust-root"));
    const verification = verifyWorkflow(Buffer.from(JSON.stringify(body["signature"])), {
      trustRoot: readTrustRoot(await trust.text(), "test"),
      plan: JSON.stringify(body["plan"]),
      expected: { workflow: `shop/orders@${version}` },
    });
    assert.equal(verification.verified, true, JSON.stringify(verification.checks));
    assert.equal(verification.claims?.publishedBy, plane.owner.id);
    const etag = headers.get("etag") ?? "";
    assert.match(etag, /^"[0-9a-f]{32}"$/);
    const known = await call("GET", `/v1/workflows/shop%2Forders@${version}`, undefined, {
      "if-none-match": `"x", W/${etag}`,
    });
    assert.deepEqual([known.status, known.headers.get("etag"), known.body], [304, etag, {}]);
  });

  it("are chosen by the highest release where no version is named, whatever came last", async () => {
    for (const one of ["2.0.0", "10.1.0", "9.0.0", "11.0.0-rc.1"]) await publish(manifest(one, 1, "", "ordered"));
    const { body } = await call("GET", "/v1/workflows/ordered");
    assert.equal(body["version"], "10.1.0");
    assert.deepEqual(
      (body["versions"] as { version: string }[]).map((one) => one.version),
      ["11.0.0-rc.1", "9.0.0", "10.1.0", "2.0.0"],
    );
    const missing = await start("ordered@3.0.0");
    assert.match(
      said(missing),
      /^404 not_found: No workflow ordered@3\.0\.0 is published here; ordered has 11\.0\.0-rc/,
    );
    assert.match(said(await start("orderd")), /^404 not_found: No workflow orderd is stored here\. Did you mean/);
    assert.match(said(await start("Shop/Orders")), /^400 invalid_request: "Shop\/Orders" is not a workflow's name/);
  });

  it("are listed in pages, apart from what merely ran, which cannot pass for a version of theirs", async () => {
    for (const one of ["1.0.0", "1.0.1", "1.0.2"]) await publish(manifest(one, 1, "", "paged"));
    await call("POST", "/v1/runs", { manifest: manifest("1.0.3", 1, "", "paged") });
    await call("POST", "/v1/runs", { manifest: manifest("1.0.0", 1, "", "only-ran") });
    const seen: string[] = [];
    for (let cursor = ""; ;) {
      const { body } = await call("GET", `/v1/workflows?name=paged&limit=1${cursor && `&cursor=${cursor}`}`);
      const [row] = body["workflows"] as { source: string; version: string }[];
      seen.push(`${row?.source} ${row?.version}`);
      if (body["cursor"] === null) break;
      cursor = body["cursor"] as string;
    }
    assert.deepEqual(seen, ["published 1.0.2", "published 1.0.1", "published 1.0.0", "run 1.0.3"]);
    assert.match(said(await start("paged@1.0.3")), /404 not_found: No workflow paged@1\.0\.3 is published here/);
    assert.equal((await start("only-ran")).status, 201);
    const published = await call("GET", "/v1/workflows?source=published&limit=1000");
    assert.ok((published.body["workflows"] as { name: string }[]).every(({ name }) => name !== "only-ran"));
    for (const cursor of ["x", "W10", Buffer.from('["run",1]').toString("base64url")])
      assert.match(said(await call("GET", `/v1/workflows?cursor=${cursor}`)), /400 invalid_request: The cursor is not/);
  });

  it("are ambiguous in two namespaces until one is named", async () => {
    await publish(manifest("1.0.0", 1, "", "twice"));
    await publish(manifest("1.0.0", 1, "", "twice").replace("namespace: shop", "namespace: depot"));
    assert.match(said(await start("twice")), /ambiguous_id: twice exists in several namespaces: .*depot\/twice/);
    assert.equal((await start("depot/twice")).status, 201);
  });

  it("are verified when a run starts: a plan exchanged under a name is refused, checksums mended or not", async () => {
    await publish(manifest(version));
    const evil = await call("POST", "/v1/runs", { manifest: manifest(version, 666) });
    const digest = evil.body.run?.planDigest ?? "";
    await tamper("update workflow set plan_digest = ? where name = 'orders' and version = ?", digest);
    const refused = await start(`orders@${version}`);
    assert.match(
      said(refused),
      /^422 verification_failed: shop\/orders@1\.\d+\.0 is not stored as it was signed: .*plan is sha256/,
    );
    assert.match(String(refused.body["fix"]), /^Do not run it/);
    assert.match(said(await call("GET", `/v1/workflows/orders@${version}`)), /verification_failed/);
    assert.match(said(await call("POST", "/v1/plan", { workflow: `orders@${version}` })), /verification_failed/);
  });

  it("are verified when a run starts: nor can a signature be taken from another version, or a manifest be exchanged", async () => {
    await publish(manifest(version));
    const { body } = await publish(manifest(`${version}-b`, 2));
    const other = await call("GET", `/v1/workflows/orders@${version}-b`);
    assert.equal(other.body["planDigest"], body["planDigest"]);
    await tamper("update workflow set manifest = ? where name = 'orders' and version = ?", manifest(version, 666));
    assert.match(said(await start(`orders@${version}`)), /verification_failed: .*the manifest has the digest sha256/);
    await tamper(
      "update workflow set bundle = ? where name = 'orders' and version = ?",
      JSON.stringify(other.body["signature"]),
    );
    assert.match(said(await start(`orders@${version}`)), /verification_failed: .*"says what was expected of it" fails/);
    const parent = manifest("1.0.0", 1, "", "parent").replace(
      "{ uses: noop@1, with: { value: 1 } }",
      `{ uses: "runbook:shop/orders@${version}" }`,
    );
    assert.match(said(await call("POST", "/v1/runs", { manifest: parent })), /verification_failed/);
  });
});
