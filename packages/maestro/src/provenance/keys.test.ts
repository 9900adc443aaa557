import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, verify } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { sampleRun, STARTED_AT } from "../../test/support/receipt-sample.ts";
import { MaestroError, type ProblemCode } from "../core/problem.ts";
import { statement } from "../core/receipt.ts";
import { CLOCK_SKEW_MS } from "./check-signed.ts";
import { openKeyRing, rotateKey, type KeyRingOptions } from "./keys.ts";
import { sealReceipt } from "./receipts.ts";
import { createSigner } from "./signer.ts";
import { readTrustRoot, TRUST_ROOT_FILE } from "./trust.ts";
import { checkReceipt } from "./verify.ts";

const root = mkdtempSync(join(tmpdir(), "maestro-keys-"));
after(() => rmSync(root, { recursive: true, force: true }));

const BUILDER = "https://maestro.example/builder/1";
let folders = 0;

function newRing(more: Partial<KeyRingOptions> = {}): KeyRingOptions {
  return { dir: join(root, `${++folders}`, "keys"), builder: BUILDER, now: STARTED_AT - 60_000, ...more };
}

function keyFiles(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.endsWith(".pem"));
}

function onlyKeyFile(dir: string): string {
  const files = keyFiles(dir);
  assert.equal(files.length, 1, files.join());
  return join(dir, files[0]!);
}

function refuses(code: ProblemCode, message: RegExp, fix: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof MaestroError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.match(error.fix, fix);
    return true;
  };
}

describe("openKeyRing()", () => {
  it("makes a key at the first start that only its owner can read, and finds it again", () => {
    const options = newRing();
    const made = openKeyRing(options);
    assert.equal(statSync(options.dir).mode & 0o777, 0o700);
    assert.equal(statSync(onlyKeyFile(options.dir)).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(options.dir).length, 2);
    const again = openKeyRing({ ...options, now: STARTED_AT });
    assert.equal(again.signer.keyid, made.signer.keyid);
    assert.equal(again.signer.builder, BUILDER);
    assert.deepEqual(
      readTrustRoot(readFileSync(join(options.dir, TRUST_ROOT_FILE), "utf8"), "it").keys.map((key) => [
        key.keyid,
        key.validFrom,
        key.validUntil,
      ]),
      [[made.signer.keyid, null, null]],
    );
  });

  it("does so whatever the umask, in an empty folder too, and after a crash on the way", () => {
    const umask = process.umask(0);
    try {
      const options = newRing();
      mkdirSync(options.dir, { recursive: true });
      mkdirSync(`${options.dir}.new`);
      writeFileSync(join(`${options.dir}.new`, "half"), "");
      openKeyRing(options);
      assert.equal(statSync(onlyKeyFile(options.dir)).mode & 0o777, 0o600);
      assert.equal(statSync(options.dir).mode & 0o777, 0o700);
      assert.deepEqual(readdirSync(join(options.dir, "..")), ["keys"]);
    } finally {
      process.umask(umask);
    }
  });

  it("signs what its trust root verifies", () => {
    const { signer, trustRoot } = openKeyRing(newRing());
    const message = Buffer.from("message");
    const signature = signer.sign(message);
    assert.ok(verify(null, message, trustRoot.keys[0]!.publicKey, signature));
  });

  it("encrypts with a passphrase and needs it from then on", () => {
    const options = newRing({ passphrase: "correct horse" });
    const { signer } = openKeyRing(options);
    const path = onlyKeyFile(options.dir);
    assert.match(readFileSync(path, "utf8"), /BEGIN ENCRYPTED PRIVATE KEY/);
    assert.equal(openKeyRing(options).signer.keyid, signer.keyid);
    const { passphrase: _, ...without } = options;
    assert.throws(
      () => openKeyRing(without),
      refuses("key_unusable", /is encrypted and no passphrase was given/, /MAESTRO_KEY_PASSPHRASE/),
    );
    assert.throws(
      () => openKeyRing({ ...options, passphrase: "wrong" }),
      refuses("key_unusable", /cannot be read/, /Check MAESTRO_KEY_PASSPHRASE/),
    );
  });

  it("encrypts a key that lay there in the clear when a passphrase is first given", () => {
    const options = newRing();
    const { signer } = openKeyRing(options);
    assert.equal(openKeyRing({ ...options, passphrase: "later" }).signer.keyid, signer.keyid);
    const path = onlyKeyFile(options.dir);
    assert.match(readFileSync(path, "utf8"), /BEGIN ENCRYPTED PRIVATE KEY/);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.throws(() => openKeyRing(options), refuses("key_unusable", /encrypted/, /MAESTRO_KEY_PASSPHRASE/));
  });

  it("refuses a key or folder that others can use, with the command that mends it", () => {
    const options = newRing();
    openKeyRing(options);
    const path = onlyKeyFile(options.dir);
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(path, mode);
      assert.throws(
        () => openKeyRing(options),
        refuses("key_unusable", new RegExp(`its mode is ${mode.toString(8)}`), new RegExp(`chmod 600 ${path}`)),
      );
    }
    chmodSync(path, 0o600);
    chmodSync(options.dir, 0o755);
    assert.throws(
      () => openKeyRing(options),
      refuses("key_unusable", /its mode is 755/, new RegExp(`chmod 700 ${options.dir}`)),
    );
    chmodSync(options.dir, 0o700);
    openKeyRing(options);
  });

  it("refuses a ring whose parts do not belong together", () => {
    const damage: readonly (readonly [what: (dir: string) => void, code: ProblemCode, message: RegExp])[] = [
      [(dir) => rmSync(join(dir, TRUST_ROOT_FILE)), "key_unusable", /trust-root\.json is missing/],
      [
        (dir) => writeFileSync(join(dir, TRUST_ROOT_FILE), "{}"),
        "invalid_request",
        /trust-root\.json is not a trust root: the document has no mediaType/,
      ],
      [(dir) => rmSync(onlyKeyFile(dir)), "key_unusable", /cannot be opened/],
      [(dir) => writeFileSync(onlyKeyFile(dir), "no key"), "key_unusable", /cannot be read/],
      [
        (dir) =>
          writeFileSync(
            onlyKeyFile(dir),
            generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }),
          ),
        "key_unusable",
        /is not the key .* that the trust root names/,
      ],
      [
        (dir) =>
          writeFileSync(
            onlyKeyFile(dir),
            generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }),
          ),
        "key_unusable",
        /is not the key/,
      ],
      [
        (dir) => {
          const path = onlyKeyFile(dir);
          renameSync(path, `${path}.moved`);
          symlinkSync(`${path}.moved`, path);
        },
        "key_unusable",
        /cannot be opened: ELOOP/,
      ],
      [
        (dir) => {
          const path = join(dir, TRUST_ROOT_FILE);
          writeFileSync(
            path,
            readFileSync(path, "utf8").replace('"builder"', '"validUntil": "2026-11-21T00:00:00Z",\n      "builder"'),
          );
        },
        "key_unusable",
        /names 0 keys without an end/,
      ],
    ];
    for (const [what, code, message] of damage) {
      const options = newRing();
      openKeyRing(options);
      what(options.dir);
      assert.throws(() => openKeyRing(options), refuses(code, message, /./));
    }
  });
});

describe("rotateKey()", () => {
  it("leaves the first key without a beginning, so that a clock set back spoils no receipt", () => {
    const { signer, trustRoot } = openKeyRing(newRing({ now: STARTED_AT }));
    const receipt = sealReceipt(statement({ ...sampleRun().facts, endedAt: 0 }), signer);
    assert.ok(checkReceipt(Buffer.from(receipt.bundle), { trustRoot }, []).verified);
  });

  const DAY = 86_400_000;

  it("signs with a new key, keeps old receipts verifiable and removes what could forge them", () => {
    const options = newRing({ passphrase: "p" });
    const before = openKeyRing(options);
    const old = sealReceipt(statement(sampleRun().facts), before.signer);
    const oldFile = onlyKeyFile(options.dir);
    const after = rotateKey({ ...options, now: STARTED_AT + DAY });
    assert.notEqual(after.signer.keyid, before.signer.keyid);
    assert.notEqual(onlyKeyFile(options.dir), oldFile);
    assert.match(readFileSync(onlyKeyFile(options.dir), "utf8"), /ENCRYPTED/);

    const reopened = openKeyRing({ ...options, now: STARTED_AT + DAY });
    assert.equal(reopened.signer.keyid, after.signer.keyid);
    const exported = readTrustRoot(readFileSync(join(options.dir, TRUST_ROOT_FILE), "utf8"), "it");
    assert.equal(exported.keys.length, 2);
    assert.ok(checkReceipt(Buffer.from(old.bundle), { trustRoot: exported }, []).verified);

    // The old key, had anyone kept it, is good for nothing that ends after its retirement; nor is the new one for the past.
    const facts = sampleRun().facts;
    const verdict = (endedAt: number, signer: typeof before.signer): boolean =>
      checkReceipt(
        Buffer.from(sealReceipt(statement({ ...facts, endedAt }), signer).bundle),
        { trustRoot: exported },
        [],
      ).verified;
    assert.equal(verdict(STARTED_AT + DAY + CLOCK_SKEW_MS, before.signer), true);
    assert.equal(verdict(STARTED_AT + DAY + CLOCK_SKEW_MS + 1, before.signer), false);
    assert.equal(verdict(STARTED_AT + DAY - CLOCK_SKEW_MS, after.signer), true);
    assert.equal(verdict(STARTED_AT + DAY - CLOCK_SKEW_MS - 1, after.signer), false);
  });

  it("cut off before the trust root was replaced leaves the old key, after it the new one", () => {
    const options = newRing();
    const before = openKeyRing(options);
    const trustRoot = readFileSync(join(options.dir, TRUST_ROOT_FILE));
    const oldFile = onlyKeyFile(options.dir);
    const oldKey = readFileSync(oldFile);
    const after = rotateKey({ ...options, now: STARTED_AT });
    // After: the old private key is still there and goes with the next opening.
    writeFileSync(oldFile, oldKey, { mode: 0o600 });
    assert.equal(openKeyRing(options).signer.keyid, after.signer.keyid);
    onlyKeyFile(options.dir);
    // Before: both private keys are there, the trust root is the old one.
    writeFileSync(oldFile, oldKey, { mode: 0o600 });
    writeFileSync(join(options.dir, TRUST_ROOT_FILE), trustRoot);
    assert.equal(openKeyRing(options).signer.keyid, before.signer.keyid);
  });

  it("binds the new key to the builder it is given, and never ends a key before it began", () => {
    const options = newRing();
    openKeyRing(options);
    rotateKey({ ...options, now: STARTED_AT });
    const { signer, trustRoot } = rotateKey({
      ...options,
      builder: "https://maestro.example/builder/2",
      now: STARTED_AT - DAY,
    });
    assert.equal(signer.builder, "https://maestro.example/builder/2");
    assert.deepEqual(
      trustRoot.keys.map((key) => [key.builder, key.validFrom, key.validUntil]),
      [
        [BUILDER, null, STARTED_AT],
        [BUILDER, STARTED_AT, STARTED_AT],
        ["https://maestro.example/builder/2", STARTED_AT - DAY, null],
      ],
    );
  });
});

describe("createSigner()", () => {
  it("takes Ed25519 private keys only", () => {
    const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
    assert.throws(() => createSigner(p256.privateKey, BUILDER), /signed with Ed25519/);
    assert.throws(() => createSigner(generateKeyPairSync("ed25519").publicKey, BUILDER), /signed with Ed25519/);
  });

  it("names the key by base64(sha256(SPKI)) and by its ssh fingerprint: the key of RFC 8410", () => {
    const pem =
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const signer = createSigner(createPrivateKey(pem), BUILDER);
    // openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | base64
    assert.equal(signer.keyid, "oekVYFTgT6yJmunydRMs3Ael28TqLCrTof/G4NJTaB8=");
    // What ssh-keygen -l says of its public half.
    assert.equal(signer.fingerprint, "SHA256:ebCT4wkJOqO5AIlHG03cHvn3Cr3ZZEEh8m81duHhR3Q");
  });
});
