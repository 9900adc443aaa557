import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import { MaestroError } from "../../core/problem.ts";
import { writeNoteKey } from "../ledger/note.ts";
import type { NoteKey } from "../ledger/note.ts";
import { NO_WITNESSES, readWitnessSettings, WITNESS_SETTINGS_LIMITS } from "./settings.ts";
import type { WitnessSettings } from "./settings.ts";

const vkey = (name: string, kind: NoteKey["kind"] = "witness"): string =>
  writeNoteKey({ name, kind, publicKey: generateKeyPairSync("ed25519").publicKey });
const CERTIFICATE = "-----BEGIN CERTIFICATE-----\n";
const read = async (text: string): Promise<WitnessSettings> =>
  readWitnessSettings(text, "witness.yaml", async (file) => {
    if (file === "tsa.pem") return CERTIFICATE;
    throw new Error(`${file} is not there`);
  });

describe("witness.yaml", () => {
  it("names witnesses, how many are enough, and an authority", async () => {
    const settings = await read(
      `witnesses:\n  - { url: "https://w1.example/submit/", vkey: "${vkey("w1")}" }\n  - { url: "http://10.0.0.1:7718", vkey: "${vkey("w2")}" }\n` +
        `quorum: 1\ntimestamp: { url: "https://tsa.example/tsr", every: 6h, certificates: tsa.pem }\n`,
    );
    assert.deepEqual(
      settings.witnesses.map(({ url, key }) => [url, key.name]),
      [
        ["https://w1.example/submit", "w1"],
        ["http://10.0.0.1:7718", "w2"],
      ],
    );
    assert.equal(settings.quorum, 1);
    assert.deepEqual(settings.timestamp, { url: "https://tsa.example/tsr", everyMs: 21_600_000, trusted: CERTIFICATE });
  });

  it("wants all of them where it does not say how many, and may be empty", async () => {
    assert.equal((await read(`witnesses: [{ url: "https://w", vkey: "${vkey("w")}" }]`)).quorum, 1);
    assert.deepEqual(await read("{}"), NO_WITNESSES);
    const { timestamp } = await read("timestamp: { url: https://tsa.example, certificates: tsa.pem }");
    assert.equal(timestamp?.everyMs, 3_600_000);
  });

  const one = `{ url: "https://w", vkey: "${vkey("w")}" }`;
  for (const [text, says] of [
    ["witnesses: x", /witnesses is not a list/],
    ["witness: []", /the file has no member "witness"; did you mean witnesses\?/],
    ["[]", /the file is not a mapping/],
    ["witnesses: [x]", /witnesses\[0\] is not a mapping/],
    [
      `witnesses: [{ url: "ftp://w", vkey: "${vkey("w")}" }]`,
      /witnesses\[0\]\.url is "ftp:\/\/w"; it is an http or https URL/,
    ],
    [`witnesses: [{ url: "https://me:secret@w", vkey: "${vkey("w")}" }]`, /without user, query or fragment/],
    [`witnesses: [{ url: "https://w?x=1", vkey: "${vkey("w")}" }]`, /without user, query or fragment/],
    [`witnesses: [{ url: "https://w", vkey: "${vkey("w", "log")}" }]`, /vkey is the key of a log/],
    ['witnesses: [{ url: "https://w", vkey: "w+1" }]', /vkey is not the key of a witness: it is not of the form/],
    ['witnesses: [{ url: "https://w" }]', /vkey is not the key of a witness/],
    [`witnesses: [${one}, ${one}]`, /the witness w is listed twice/],
    [`witnesses: [${one}]\nquorum: 2`, /quorum is 2; it is a whole number from 1 to the number of witnesses, 1/],
    [`witnesses: [${one}]\nquorum: 0`, /quorum is 0/],
    ["quorum: 1", /quorum is 1; it is a whole number from 1 to the number of witnesses, 0/],
    [
      "timestamp: { url: https://t, every: 5s, certificates: tsa.pem }",
      /every is "5s"; it is a duration of a minute or more/,
    ],
    ["timestamp: { url: https://t }", /certificates is missing/],
    ["timestamp: { url: https://t, certificates: gone.pem }", /gone\.pem is not there/],
    ["witnesses: [\n", /cannot be used/],
    ["a: &a [1]\nb: [*a, *a]", /it has aliases/],
    [`#${"x".repeat(WITNESS_SETTINGS_LIMITS.bytes)}`, /more than 65536 bytes/],
    [
      `witnesses:\n${Array.from({ length: 17 }, (_, i) => `  - { url: "https://w", vkey: "${vkey(`w${i}`)}" }\n`).join("")}`,
      /more than 16 entries/,
    ],
  ] as const) {
    it(`is refused where it is ${JSON.stringify(text.slice(0, 60))}`, async () => {
      await assert.rejects(read(text), (error) => {
        assert.ok(error instanceof MaestroError && error.code === "invalid_request", String(error));
        assert.match(error.message, says);
        return true;
      });
    });
  }
});
