/* oxlint-disable no-control-regex -- control characters are this file's subject */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { displayWidth, oneLine, pad, safe, safeOutput, truncate, wrapped } from "./text.ts";

describe("displayWidth()", () => {
  for (const [text, width] of [
    ["", 0],
    ["abc", 3],
    ["é", 1],
    ["e\u0301", 1],
    ["日本語", 6],
    ["한글", 4],
    ["👩‍👩‍👧", 2],
    ["✅", 2],
    ["✓ ok", 4],
    ["ｆｕｌｌ", 8],
    ["🇩🇪", 2],
  ] as const) {
    it(`${JSON.stringify(text)} is ${width} wide`, () => assert.equal(displayWidth(text), width));
  }
});

describe("truncate() and pad()", () => {
  it("cuts at a character's edge, also a wide one's", () => {
    assert.equal(truncate("日本語", 5), "日本…");
    assert.equal(truncate("日本語", 4), "日…");
    assert.equal(truncate("abc", 3), "abc");
    assert.equal(truncate("abcd", 3), "ab…");
    assert.equal(truncate("abcd", 0), "");
  });

  it("breaks between words, and loses none", () => {
    assert.deepEqual(wrapped("no purpose is given", 10), ["no purpose", "is given"]);
    assert.deepEqual(wrapped(" ", 1), [" "]);
    assert.deepEqual(wrapped("  a", 1), [" ", "a"]);
    assert.deepEqual(wrapped("a longest-of-words b", 5), ["a", "longest-of-words", "b"]);
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }).map(safe), fc.integer({ min: 1, max: 40 }), (text, width) => {
        const lines = wrapped(text, width);
        assert.equal(lines.join(" "), text);
        for (const line of lines) assert.ok(displayWidth(line) <= width || !line.includes(" "));
      }),
      { numRuns: 2_000 },
    );
  });

  it("never gives more columns than asked for, nor fewer than padded to", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }).map(safe), fc.nat(40), (text, width) => {
        assert.ok(displayWidth(truncate(text, width)) <= width);
        assert.ok(displayWidth(pad(text, width)) >= width);
      }),
    );
  });
});

describe("oneLine()", () => {
  it("puts several lines on one that obeys nothing", () => {
    assert.equal(
      oneLine("  it died. Its last words:\n\n  fatal: \x1b[2Jno\r\n"),
      "it died. Its last words: fatal: \\x1b[2Jno",
    );
    assert.equal(oneLine("plain"), "plain");
  });
});

describe("safe()", () => {
  it("writes out what a terminal would obey", () => {
    assert.equal(safe("a\x1b[2Jb\r\n\tc\x9b\u202e\x07"), "a\\x1b[2Jb\\r\\n\\tc\\x9b\\u202e\\x07");
    assert.equal(safe("日本 ok 👍"), "日本 ok 👍");
    assert.equal(safe("\ud800x"), "\\ud800x");
  });
});

describe("safeOutput()", () => {
  for (const [name, text, expected] of [
    ["colours stay and are closed", "\x1b[31mred", "\x1b[31mred\x1b[0m"],
    ["clearing the screen goes", "a\x1b[2Jb\x1b[1;1Hc", "abc"],
    ["window titles go", "a\x1b]0;title\x07b", "ab"],
    ["hyperlinks keep their text", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"],
    ["device questions go", "\x1b[6n\x1bP$q\x1b\\x", "x"],
    ["a sequence that never ends takes the rest", "a\x1b]0;never", "a"],
    ["progress lines become lines", "10%\r20%\r\ndone\n", "10%\n20%\ndone\n"],
    ["lone controls are shown", "a\x08\x00b\tc", "a\\x08\\x00b\tc"],
    ["a trick with the inner mark", "\uFFF9[2Jx", "[2Jx"],
  ] as const) {
    it(name, () => assert.equal(safeOutput(text, true), expected));
  }

  it("without colour nothing that a terminal obeys is left", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom("\x1b", "[", "]", "0", ";", "m", "J", "\x07", "\\", "\x9b", "a", "\r", "\n", "\uFFF9"),
        ),
        (parts) => {
          assert.doesNotMatch(safeOutput(parts.join(""), false), /[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
        },
      ),
    );
  });

  it("with colour only colour is left", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("\x1b", "[", "]", "0", ";", "m", "J", "\x07", "\\", "a", "\uFFF9")),
        (parts) => {
          assert.doesNotMatch(
            safeOutput(parts.join(""), true).replaceAll(/\x1b\[[0-9;:]*m/g, ""),
            /[\x00-\x08\x0b-\x1f\x7f-\x9f]/,
          );
        },
      ),
    );
  });
});
