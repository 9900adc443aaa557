import assert from "node:assert/strict";
import { it } from "node:test";
import { redact, redactField } from "./redact.ts";

// Put together here, so that no scanner takes this file for a leak.
const key = "PRIVATE";
const token = (prefix: string, length: number): string => prefix + "a1B2".repeat(length).slice(0, length);

it("hides what looks like a secret and leaves the rest as it is", () => {
  const table: readonly (readonly [string, string])[] = [
    [`Authorization: Bearer ${token("", 40)} refused`, "Authorization: [redacted] [redacted] refused"],
    [`sent Bearer ${token("", 20)}`, "sent Bearer [redacted]"],
    ["postgres://ada:hunter2@db.internal:5432/x", "postgres://[redacted]@db.internal:5432/x"],
    [`GET https://x.test/?a=1&token=${token("", 9)}&b=2`, "GET https://x.test/?a=1&token=[redacted]&b=2"],
    [`password=hunter2, user=ada`, "password=[redacted], user=ada"],
    [`{"apiKey":"${token("", 9)}","n":1}`, `{"apiKey":"[redacted]","n":1}`],
    [`key ${token("AKIA", 0)}IOSFODNN7EXAMPLE in use`, "key [redacted] in use"],
    [token("ghp_", 36), "[redacted]"],
    [token("maestro_", 43), "[redacted]"],
    [`${token("eyJ", 20)}.${token("", 20)}.${token("", 20)}`, "[redacted]"],
    [`a -----BEGIN ${key} KEY-----\nMII\n-----END ${key} KEY----- b`, "a [redacted] b"],
    [`cut -----BEGIN EC ${key} KEY-----\nMII`, "cut [redacted]"],
    ["run r_06f8z3m2k6b3hq5t2ya9 ended: exit code 1", "run r_06f8z3m2k6b3hq5t2ya9 ended: exit code 1"],
    ["see https://example.test/a@b?x=1", "see https://example.test/a@b?x=1"],
    ["the token was read", "the token was read"],
  ];
  for (const [text, shown] of table) assert.equal(redact(text), shown);
});

it("hides the whole value of a field that is named as a secret", () => {
  assert.equal(redactField("dbPassword", "x"), "[redacted]");
  assert.equal(redactField("x-api-key", "x"), "[redacted]");
  assert.equal(redactField("error", "x"), "x");
});

it("takes time in proportion to the text", () => {
  for (const part of ["token=", "://a", "eyJaaaaaaaaaaa", "-----BEGIN RSA PRIVATE KEY-----", "Bearer ", "sk-"]) {
    const before = performance.now();
    redact(part.repeat(100_000 / part.length));
    // Quadratic work would take minutes.
    assert.ok(performance.now() - before < 5_000, part);
  }
});
