import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parsePointer, placesIn, valueAt, writePointer } from "./json-pointer.ts";
import type { Tokens } from "./json-pointer.ts";
import type { JsonValue } from "./json.ts";
import { fieldDigest, hide, markerDigest, reveal } from "./redaction.ts";

const salt = (pointer: string): string => createHmac("sha256", "test").update(pointer).digest("base64url").slice(0, 22);
const FIELD = { path: "evidence/r_1/run.json", salt };

const NAMES = ["a", "b/c", "d~e", "", "0", "10", "__proto__", "constructor", "ключ", 'q"q', "$redacted"];

const { json } = fc.letrec<{ json: JsonValue }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.string({ unit: "grapheme" }),
    fc.array(tie("json")),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom(...NAMES), fc.string()), tie("json")))
      .map((members): JsonValue => Object.fromEntries(members)),
  ),
}));

/** A document and some of its places, none within another. */
const redactable = json.chain((document) =>
  fc.shuffledSubarray([...placesIn(document)].map(({ tokens }) => tokens)).map((places) => ({
    document,
    places: places.filter((one, i) => !places.some((other, j) => i !== j && isWithin(one, other))),
  })),
);

function isWithin(place: Tokens, other: Tokens): boolean {
  return other.length <= place.length && other.every((token, i) => place[i] === token);
}

describe("redaction", () => {
  it("gives back any document exactly, and leaves only what was not taken out", () => {
    fc.assert(
      fc.property(redactable, ({ document, places }) => {
        const hidden = hide(document, places, FIELD);
        assert.equal(JSON.stringify(reveal(hidden.document, hidden.fields)), JSON.stringify(document));
        for (const tokens of places) assert.ok(markerDigest(valueAt(hidden.document, tokens)) !== undefined);
        const left = placesOf(hidden.document);
        const before = placesOf(document);
        // What is left is what was there and not taken out, and the markers.
        for (const [pointer, value] of left)
          assert.ok(before.get(pointer) === value || places.some((place) => isWithin(parsePointer(pointer), place)));
      }),
      { numRuns: 500 },
    );
  });

  it("reveals some and leaves the others", () => {
    const { document, fields } = hide({ a: 1, b: { c: "x" }, d: [7] }, [["a"], ["b", "c"], ["d", "0"]], FIELD);
    const some = reveal(document, [fields[1]!]);
    assert.deepEqual(some, { ...(document as object), b: { c: "x" } });
  });

  it("refuses another value, another salt, another place and what was not taken out", () => {
    const { document, fields } = hide({ a: 1, b: 1 }, [["a"], ["b"]], FIELD);
    const [a] = fields;
    for (const [changed, says] of [
      [{ value: 2 }, /the value given for \/a in evidence\/r_1\/run\.json is not the one that was redacted/],
      [{ salt: salt("/b") }, /is not the one that was redacted/],
      [{ pointer: "/b" }, /the value given for \/b/],
      [{ path: "evidence/r_2/run.json" }, /is not the one that was redacted/],
      [{ pointer: "/c" }, /has nothing redacted at \/c/],
      [{ pointer: "a" }, /does not begin with a slash/],
    ] as const)
      assert.throws(() => reveal(document, [{ ...a!, ...changed }]), { name: "SyntaxError", message: says });
    assert.throws(() => reveal({ a: { $redacted: { alg: "none", digest: fieldDigest(a!) } } }, [a!]), SyntaxError);
    assert.throws(() => hide({}, [["a"]], FIELD), RangeError);
  });

  it("salts equal values differently", () => {
    const { document } = hide({ a: "same", b: "same" }, [["a"], ["b"]], FIELD);
    assert.notEqual(markerDigest(valueAt(document, ["a"])), markerDigest(valueAt(document, ["b"])));
  });
});

describe("JSON Pointers", () => {
  it("are those of RFC 6901", () => {
    const document: JsonValue = {
      foo: ["bar", "baz"],
      "": 0,
      "a/b": 1,
      "c%d": 2,
      "e^f": 3,
      "g|h": 4,
      "i\\j": 5,
      'k"l': 6,
      " ": 7,
      "m~n": 8,
    };
    for (const [pointer, value] of [
      ["", document],
      ["/foo", ["bar", "baz"]],
      ["/foo/0", "bar"],
      ["/", 0],
      ["/a~1b", 1],
      ["/c%d", 2],
      ["/e^f", 3],
      ["/g|h", 4],
      ["/i\\j", 5],
      ['/k"l', 6],
      ["/ ", 7],
      ["/m~0n", 8],
    ] as const) {
      assert.deepEqual(valueAt(document, parsePointer(pointer)), value, pointer);
      assert.equal(writePointer(parsePointer(pointer)), pointer);
    }
    for (const nowhere of ["/foo/2", "/foo/-", "/foo/00", "/foo/01", "/bar", "/foo/0/0", "/toString", "/foo/length"])
      assert.equal(valueAt(document, parsePointer(nowhere)), undefined, nowhere);
    for (const wrong of ["foo", "/~", "/~2"]) assert.throws(() => parsePointer(wrong), SyntaxError);
  });
});

/** Texts, numbers, booleans and nulls by where they are. */
function placesOf(document: JsonValue): ReadonlyMap<string, JsonValue> {
  const leaves = [...placesIn(document)].filter(({ value }) => typeof value !== "object");
  return new Map(leaves.map(({ tokens, value }) => [writePointer(tokens), value]));
}
