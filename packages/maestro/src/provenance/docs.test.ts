import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { sampleKey, sampleRun } from "../../test/support/receipt-sample.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { statement } from "../core/receipt.ts";
import { RUNGS } from "./ladder.ts";
import { sealReceipt } from "./receipts.ts";
import { writeTrustRoot } from "./trust.ts";

const root = new URL("../../../../", import.meta.url);
const reference = readFileSync(new URL("docs/reference/receipt.md", root), "utf8");
const guide = readFileSync(new URL("docs/guides/verify-a-receipt.md", root), "utf8");
const schema = JSON.parse(readFileSync(new URL("spec/run-receipt-v1.schema.json", root), "utf8")) as JsonObject;

describe("docs/reference/receipt.md", () => {
  it("lists the rungs of the ladder, in order", () => {
    const section = reference.slice(reference.indexOf("## The ladder"));
    const listed = section.slice(0, section.indexOf("\n## ")).match(/(?<=^\| `)[a-z-]+(?=` \|)/gm);
    assert.deepEqual(
      listed,
      RUNGS.map((rung) => rung.id),
    );
  });

  it("explains every member that the schema has", () => {
    const names = new Set<string>();
    collectNames(schema, names);
    assert.ok(names.size > 40);
    for (const name of names) assert.ok(reference.includes(`\`${name}\``), `${name} is not explained`);
  });
});

describe("docs/guides/verify-a-receipt.md", () => {
  const byHand = /## With openssl[\s\S]*?```sh\n([\s\S]*?)```/.exec(guide)?.[1] ?? "";
  const missing = ["jq", "openssl", "base64"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);

  it(
    "checks a receipt with openssl as written, and refuses a changed one",
    { skip: missing.length > 0 && `without ${missing.join()}` },
    () => {
      const folder = mkdtempSync(join(tmpdir(), "maestro-guide-"));
      try {
        const key = sampleKey();
        const { bundle } = sealReceipt(statement(sampleRun({ artifact: true }).facts), key.signer);
        writeFileSync(join(folder, "receipt.json"), bundle);
        writeFileSync(join(folder, "trust-root.json"), writeTrustRoot({ keys: [sampleKey().trusted, key.trusted] }));
        const output = execFileSync("sh", ["-e", "-c", byHand], { cwd: folder, encoding: "utf8" });
        assert.match(output, /Signature Verified Successfully/);
        assert.match(output, /^[0-9a-f]{64} {2}step-0:a\.tgz$/m);

        writeFileSync(
          join(folder, "receipt.json"),
          bundle.replace(/"payload":"(.{100})./, (_, start: string) => `"payload":"${start}A`),
        );
        const refused = spawnSync("sh", ["-e", "-c", byHand], { cwd: folder, encoding: "utf8" });
        assert.notEqual(refused.status, 0);
        assert.match(refused.stdout, /Signature Verification Failure/);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
});

/** Names of all properties; outcomes of items are values rather than members and one row explains them. */
function collectNames(value: JsonValue, names: Set<string>): void {
  if (Array.isArray(value)) for (const one of value as readonly JsonValue[]) collectNames(one, names);
  if (!isJsonObject(value)) return;
  if (isJsonObject(value["properties"]))
    for (const name of Object.keys(value["properties"])) if (!OUTCOMES.includes(name)) names.add(name);
  for (const one of Object.values(value)) collectNames(one, names);
}

const OUTCOMES: readonly string[] = ["succeeded", "failed", "skipped", "cancelled", "pending"];
