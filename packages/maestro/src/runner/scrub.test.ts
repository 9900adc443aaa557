import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Scrubber } from "./scrub.ts";

const SECRET = "abcabd-Xy_9";

function scrubber(...secrets: readonly string[]): Scrubber {
  const made = new Scrubber();
  for (const secret of secrets) made.add(secret);
  return made;
}

/** All that comes out of a stream that comes in these pieces. */
function through(made: Scrubber, pieces: readonly Uint8Array[]): Buffer {
  const out = pieces.map((piece) => made.bytes("stdout", piece));
  return Buffer.concat([...out, ...made.rest().map(([, bytes]) => bytes)]);
}

describe("a scrubber", () => {
  it("takes a secret out, however it is cut into pieces, and nothing else", () => {
    const piece = fc.oneof(fc.constant(SECRET), fc.constantFrom("abc", "abcab", "X", "é\n", "\0"), fc.string());
    const property = fc.property(fc.array(piece), fc.array(fc.nat(40)), (parts, cuts) => {
      const whole = Buffer.from(parts.join(""));
      const at = [0, ...cuts.map((cut) => cut % (whole.byteLength + 1)).toSorted((a, b) => a - b), whole.byteLength];
      const pieces = at.slice(1).map((end, i) => whole.subarray(at[i], end));
      const want = whole.toString("utf8").replaceAll(SECRET, "***");
      assert.equal(through(scrubber(SECRET), pieces).toString("utf8"), want);
    });
    fc.assert(property, { numRuns: 500 });
  });

  it("keeps streams apart, and takes several secrets", () => {
    const made = scrubber(SECRET, "zz");
    const one = made.bytes("stdout", Buffer.from("abcab"));
    const other = made.bytes("stderr", Buffer.from("d-Xy_9 zz"));
    assert.deepEqual([String(one), String(other)], ["", "d-Xy_9 ***"]);
    assert.deepEqual(
      made.rest().map(([stream, bytes]) => [stream, String(bytes)]),
      [["stdout", "abcab"]],
    );
  });

  it("passes everything on as it is where there is no secret", () => {
    const bytes = Buffer.from("abc");
    const value = { a: [SECRET] };
    assert.equal(scrubber().bytes("stdout", bytes), bytes);
    assert.equal(scrubber().value(value), value);
    assert.equal(scrubber("other").value(value), value);
    assert.deepEqual(scrubber(SECRET).value(value), { a: ["***"] });
  });
});
