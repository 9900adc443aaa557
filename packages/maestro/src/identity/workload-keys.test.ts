import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import {
  openWorkloadKeys,
  PUBLISH_MS,
  publishedAt,
  RETIRE_MS,
  rotateWorkloadKey,
  WORKLOAD_KEYS_FILE,
} from "./workload-keys.ts";

const NOW = 1_800_000_000_000;

interface Folder extends Disposable {
  readonly dir: string;
}

function folder(): Folder {
  const root = mkdtempSync(join(tmpdir(), "maestro-workload-keys-"));
  return { dir: join(root, "keys"), [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
}

const refuses =
  (code: string, ...words: readonly RegExp[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof MaestroError);
    assert.equal(error.code, code);
    for (const word of words) assert.match(`${error.message} ${error.fix}`, word);
    return true;
  };

const privates = (dir: string): readonly string[] => readdirSync(dir).filter((name) => name.endsWith(".pem"));

describe("the keys of tokens", () => {
  it("are made once, for their owner only, and the same afterwards", () => {
    using place = folder();
    const { dir } = place;
    const first = openWorkloadKeys({ dir, now: NOW }).signingKey(NOW);
    assert.equal(openWorkloadKeys({ dir, now: NOW + 1 }).signingKey(NOW + 1).kid, first.kid);
    assert.equal(first.key.asymmetricKeyDetails?.namedCurve, "prime256v1");
    assert.equal(statSync(dir).mode & 0o777, 0o700);
    const [pem = ""] = privates(dir);
    assert.match(pem, /^workload-[0-9a-f]{16}\.pem$/);
    assert.equal(statSync(join(dir, pem)).mode & 0o777, 0o600);
    assert.doesNotMatch(readFileSync(join(dir, WORKLOAD_KEYS_FILE), "utf8"), /"d"/, "the list has public halves only");
  });

  it("are encrypted by the passphrase, which is needed from then on", () => {
    using place = folder();
    const { dir } = place;
    const made = openWorkloadKeys({ dir, now: NOW, passphrase: "p" });
    assert.match(readFileSync(join(dir, privates(dir)[0] ?? ""), "utf8"), /ENCRYPTED PRIVATE KEY/);
    made.signingKey(NOW);
    assert.throws(
      () => openWorkloadKeys({ dir, now: NOW }).signingKey(NOW),
      refuses("key_unusable", /no passphrase was given/, /MAESTRO_KEY_PASSPHRASE/),
    );
    assert.throws(
      () => openWorkloadKeys({ dir, now: NOW, passphrase: "q" }).signingKey(NOW),
      refuses("key_unusable", /Check MAESTRO_KEY_PASSPHRASE/),
    );
  });

  it("are encrypted when a passphrase is first given", () => {
    using place = folder();
    const { dir } = place;
    openWorkloadKeys({ dir, now: NOW });
    openWorkloadKeys({ dir, now: NOW, passphrase: "p" }).signingKey(NOW);
    assert.match(readFileSync(join(dir, privates(dir)[0] ?? ""), "utf8"), /ENCRYPTED PRIVATE KEY/);
  });

  it("are refused where others can read them, or the list is none", () => {
    using place = folder();
    const { dir } = place;
    openWorkloadKeys({ dir, now: NOW });
    const pem = join(dir, privates(dir)[0] ?? "");
    chmodSync(pem, 0o644);
    assert.throws(() => openWorkloadKeys({ dir, now: NOW }).signingKey(NOW), refuses("key_unusable", /mode is 644/));
    chmodSync(pem, 0o600);
    chmodSync(dir, 0o755);
    assert.throws(() => openWorkloadKeys({ dir, now: NOW }), refuses("key_unusable", /mode is 755/));
    chmodSync(dir, 0o700);
    for (const text of ["", "[]", '{"keys":[]}', '{"keys":[{"key":{"kty":"oct","k":"AA"},"signsFrom":0}]}']) {
      writeFileSync(join(dir, WORKLOAD_KEYS_FILE), text);
      assert.throws(
        () => openWorkloadKeys({ dir, now: NOW }),
        refuses("key_unusable", /workload\.json cannot be used/, /Move .* away/),
      );
    }
  });
});

describe("a rotation", () => {
  it("publishes the new key before it signs, and the old one until its last token has ended", () => {
    using place = folder();
    const { dir } = place;
    const old = openWorkloadKeys({ dir, now: NOW }).signingKey(NOW).kid;
    const { made, retired } = rotateWorkloadKey({ dir, now: NOW, atOnce: false });
    assert.deepEqual(
      retired.map(({ kid }) => kid),
      [old],
    );
    const keys = openWorkloadKeys({ dir, now: NOW });
    const kids = (at: number): readonly string[] => publishedAt(keys.keys, at).map(({ kid }) => kid);
    const begins = NOW + PUBLISH_MS;
    assert.deepEqual(kids(NOW), [old, made.kid], "the new one is there at once");
    assert.equal(keys.signingKey(begins - 1).kid, old);
    assert.equal(keys.signingKey(begins).kid, made.kid);
    assert.deepEqual(kids(begins + RETIRE_MS - 1), [old, made.kid], "what the old one signed is verified still");
    assert.deepEqual(kids(begins + RETIRE_MS), [made.kid]);
  });

  it("is one at a time, unless a key was stolen", () => {
    using place = folder();
    const { dir } = place;
    openWorkloadKeys({ dir, now: NOW });
    rotateWorkloadKey({ dir, now: NOW, atOnce: false });
    assert.throws(
      () => rotateWorkloadKey({ dir, now: NOW + 1, atOnce: false }),
      refuses("conflict", /The last rotation is not over/, /--now/),
    );
    const { made, retired } = rotateWorkloadKey({ dir, now: NOW + 1, atOnce: true });
    assert.equal(retired.length, 2);
    const keys = openWorkloadKeys({ dir, now: NOW + 1 });
    assert.deepEqual(
      publishedAt(keys.keys, NOW + 1).map(({ kid }) => kid),
      [made.kid],
    );
    assert.equal(keys.signingKey(NOW + 1).kid, made.kid);
    assert.equal(privates(dir).length, 1, "nothing can be signed by the old ones any more");
  });

  it("takes the private half of a key away that signs no more", () => {
    using place = folder();
    const { dir } = place;
    openWorkloadKeys({ dir, now: NOW });
    rotateWorkloadKey({ dir, now: NOW, atOnce: false });
    openWorkloadKeys({ dir, now: NOW + PUBLISH_MS - 1 });
    assert.equal(privates(dir).length, 2);
    openWorkloadKeys({ dir, now: NOW + PUBLISH_MS });
    assert.equal(privates(dir).length, 1);
  });
});
