import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HeaderList } from "./header-list.ts";

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,5}$/).filter((one) => !/^set-cookie$/i.test(one));
const value = fc.stringMatching(/^([!-~\x80-\xff]([\t -~]{0,8}[!-~])?)?$/);

describe("a list of headers", () => {
  it("has what fetch's has, whatever is put in and taken out", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom("set", "append"), name, value }),
      fc.record({ kind: fc.constant("delete"), name, value }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), fc.array(step), (init, steps) => {
        const [mine, fetched] = [new HeaderList(init), new Headers(init)];
        for (const { kind, name: key, value: text } of steps) {
          for (const list of [mine, fetched]) {
            if (kind === "set") list.set(key, text);
            else if (kind === "append") list.append(key, text);
            else list.delete(key);
          }
          assert.equal(mine.get(key.toUpperCase()), fetched.get(key.toUpperCase()));
          assert.equal(mine.has(key), fetched.has(key));
        }
        assert.deepEqual(Object.fromEntries(mine), Object.fromEntries(fetched));
      }),
    );
  });

  it("takes and gives what Node does", () => {
    const list = HeaderList.ofRaw(["Host", "a", "X-One", "1", "x-one", "2"]);
    assert.deepEqual(list.toRaw(), ["host", "a", "x-one", "1, 2"]);
    assert.deepEqual(new HeaderList({ a: "b" }).toRaw(), ["a", "b"]);
    assert.deepEqual(new HeaderList(list).toRaw(), list.toRaw());
  });

  it("refuses what would end a header and begin another", () => {
    for (const bad of ["a\r\nb: c", "a\nb", "a\u0000", "a\u2028"])
      assert.throws(() => new HeaderList({ a: bad }), TypeError, JSON.stringify(bad));
    for (const bad of ["", "a b", "a\n", "a:", "ä"])
      assert.throws(() => new HeaderList({ [bad]: "a" }), TypeError, JSON.stringify(bad));
  });
});
