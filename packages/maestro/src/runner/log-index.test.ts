import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { countLines } from "./log-index.ts";

describe("countLines()", () => {
  it("counts what a plain look at every byte counts, wherever the bytes lie in memory", () => {
    const near = fc.constantFrom(0x00, 0x09, 0x0a, 0x0a, 0x0b, 0x7f, 0x80, 0x8a, 0xf5, 0xff);
    fc.assert(
      fc.property(fc.array(near, { maxLength: 3000 }), fc.nat(7), fc.nat(7), (bytes, before, after) => {
        const memory = Uint8Array.from([...bytes.slice(0, before), ...bytes, ...bytes.slice(0, after)]);
        const start = Math.min(before, bytes.length);
        const part = memory.subarray(start, start + bytes.length);
        assert.equal(countLines(part), bytes.filter((byte) => byte === 0x0a).length);
      }),
    );
  });

  it("counts nothing but line feeds", () => {
    assert.equal(countLines(Buffer.alloc(100_003, "\n")), 100_003);
    assert.equal(countLines(new Uint8Array()), 0);
  });
});
