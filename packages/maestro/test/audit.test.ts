import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { sha256 } from "../src/core/digest.ts";
import type { JsonObject } from "../src/core/json.ts";
import { Place } from "./support/maestro.ts";

// The audit as an auditor meets it: by the command.

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: a, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
    say: { uses: noop@1 }
`;

interface Entry {
  readonly action: string;
  readonly kind: string;
  readonly allow: boolean;
  readonly at: number;
  readonly run?: string;
}

describe("maestro audit", () => {
  let place: Place;
  const list = async (...args: readonly string[]): Promise<readonly Entry[]> => {
    const { code, out, err } = await place.run(["audit", ...args, "-o", "json"]);
    assert.equal(code, 0, err);
    return (JSON.parse(out) as { readonly entries: readonly { readonly entry: Entry }[] }).entries.map(
      ({ entry }) => entry,
    );
  };
  const lines = async (...args: readonly string[]): Promise<readonly JsonObject[]> => {
    const { code, out, err } = await place.run(["audit", "--export", "-", ...args]);
    assert.equal(code, 0, err);
    return out.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as JsonObject]));
  };
  before(async () => {
    place = await Place.make({ "a.maestro.yaml": MANIFEST });
    for (const purpose of ["test", "plunder"]) await place.run(["run", "a.maestro.yaml", "--purpose", purpose]);
    await place.run(["receipt", "export", "@last", "--to", "evidence"]);
  });
  after(async () => place.remove());

  it("finds who did what, newest first, by words and by filters", async () => {
    const starts = await list("--action", "run.start");
    assert.ok(starts.length >= 2);
    assert.deepEqual(
      starts.map(({ action }) => action),
      starts.map(() => "run.start"),
    );
    assert.ok(starts[0]!.at >= starts[1]!.at);
    assert.deepEqual(await list("no-such-word-anywhere"), []);
    assert.ok((await list("RUN.START")).length >= 2, "words are found in either case");
    assert.deepEqual(await list("--action", "run.start", "--until", "2020-01-01"), []);
    assert.equal((await list("--action", "run.start", "--since", "1h")).length, starts.length);
    assert.equal((await list("--action", "run.start", "--limit", "1")).length, 1);
    assert.deepEqual(await list("--actor", "nobody"), []);
    assert.deepEqual(await list("--action", "run.start", "--namespace", "elsewhere"), []);
    const evidence = await list("--kind", "evidence");
    assert.ok(evidence.some(({ action }) => action.startsWith("receipt.")));
    assert.ok(evidence.every(({ kind }) => kind === "evidence"));
  });

  it("shows it to people in a line each", async () => {
    const { code, out } = await place.run(["audit", "--action", "run.start", "--limit", "1"]);
    assert.equal(code, 0);
    assert.match(out, /^\d{4}-\S+Z\tchange\t\S+\t(?:refused )?run\.start {2}\S+/);
  });

  it("is in the ledger by the digest of every line", async () => {
    const { out } = await place.run(["audit", "--export", "-", "--format", "jsonl"]);
    const texts = out.split("\n").slice(0, -1);
    const { out: ledger } = await place.run(["audit", "-o", "json", "--limit", "1000"]);
    const digests = (
      JSON.parse(ledger) as {
        readonly entries: readonly { readonly kind: string; readonly event: { readonly data: JsonObject } }[];
      }
    ).entries.flatMap(({ kind, event }) => (kind === "audit" ? [event.data["digest"]] : []));
    assert.ok(texts.length > 3);
    assert.deepEqual(digests.slice(0, texts.length), texts.map(sha256), "in the same order");
  });

  it("is exported as other systems read it, to a file or to stdout", async () => {
    const file = await place.run(["audit", "--export", "a.jsonl", "--format", "cloudevents"]);
    assert.equal(file.code, 0, file.err);
    assert.match(file.err, /^wrote \d+ entries to a\.jsonl\n$/);
    const events = readFileSync(join(place.dir, "a.jsonl"), "utf8").split("\n").slice(0, -1);
    for (const text of events) assert.equal((JSON.parse(text) as JsonObject)["specversion"], "1.0");
    const ocsf = await lines("--format", "ocsf");
    assert.ok(ocsf.length >= events.length);
    assert.ok(ocsf.every((event) => [6003, 3003, 2004].includes(event["class_uid"] as number)));
    assert.deepEqual(await lines("--format", "ocsf", "--until", "2020-01-01"), []);
  });

  it("has the gate's decisions as OPA logs them, those about runs with what was asked", async () => {
    const decisions = await lines("--format", "opa");
    const starts = decisions.filter(
      ({ labels, run }) => run !== undefined && (labels as JsonObject)["action"] === "run.start",
    );
    const results = starts.map(({ result }) => (result as JsonObject)["allow"]);
    assert.ok(results.includes(true) && results.includes(false), JSON.stringify(results));
    for (const { input, erased, decision_id: id, inputDigest } of starts) {
      assert.match(JSON.stringify([id, inputDigest]), /^\["d_\w+","sha256:[0-9a-f]{64}"\]$/);
      assert.ok(input !== undefined || erased !== undefined);
    }
    assert.match(JSON.stringify(starts.map(({ input }) => input)), /"action":\{"name":"run\.start"/);
  });

  it("refuses what makes no sense", async () => {
    for (const args of [
      ["--format", "ocsf"],
      ["--export", "x", "--format", "xml"],
      ["--kind", "murder"],
      ["--since", "yesterday"],
      ["--verify", "--export", "x"],
    ]) {
      const { code } = await place.run(["audit", ...args]);
      assert.equal(code, 2, args.join(" "));
    }
  });
});
