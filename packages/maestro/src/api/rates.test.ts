import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Excess, Pass } from "./rates.ts";
import { Rates } from "./rates.ts";

const anna = { type: "user", id: "anna" } as const;
const ben = { type: "service", id: "ben" } as const;

function rates(perSecond = 4, atOnce = 2): { readonly it: Rates; tick: (ms: number) => void } {
  let now = 1_000;
  return {
    it: new Rates({ identity: { perSecond, atOnce, streams: 1 }, stranger: { perSecond: 2 } }, () => now),
    tick: (ms) => (now += ms),
  };
}

function isPass(answer: Pass | Excess): answer is Pass {
  return "end" in answer;
}

/** Takes a place and gives it back. */
function once(answer: Pass | Excess): boolean {
  if (isPass(answer)) answer.end();
  return isPass(answer);
}

describe("rates", () => {
  it("lets one identity ask so often in a second, then says when to come again", () => {
    const { it: limits, tick } = rates();
    const taken = Array.from({ length: 6 }, () => once(limits.identity(anna)));
    assert.deepEqual(taken, [true, true, true, true, false, false]);
    const refused = limits.identity(anna);
    assert.ok(!isPass(refused));
    assert.deepEqual(
      [refused.retryAfterSeconds, refused.why, refused.headers],
      [
        1,
        "user anna asks more than 4 times a second.",
        [
          ["ratelimit-policy", '"identity";q=4;w=1'],
          ["ratelimit", '"identity";r=0;t=1'],
        ],
      ],
    );
    assert.ok(once(limits.identity(ben)), "another's bucket is another");
    assert.ok(once(limits.identity({ type: "service", id: "anna" })), "and of another type as well");
    tick(250);
    assert.deepEqual([once(limits.identity(anna)), once(limits.identity(anna))], [true, false]);
    tick(3_600_000);
    assert.deepEqual(
      Array.from({ length: 5 }, () => once(limits.identity(anna))),
      [true, true, true, true, false],
      "an hour of silence saves up no more than a second",
    );
  });

  it("lets one identity have so many answered at once, whoever ends first", () => {
    const { it: limits } = rates(100, 2);
    const [first, second] = [limits.identity(anna), limits.identity(anna)];
    const third = limits.identity(anna);
    assert.ok(isPass(first) && isPass(second) && !isPass(third));
    assert.match(third.why, /^2 requests of user anna are being answered at once/);
    second.end();
    second.end();
    assert.ok(isPass(limits.identity(anna)));
    assert.ok(!isPass(limits.identity(anna)), "a place that is given back twice is one place");
  });

  it("lets one identity follow so many answers that go on", () => {
    const { it: limits } = rates();
    const pass = limits.identity(anna);
    assert.ok(isPass(pass));
    const open = pass.live?.();
    assert.ok(open !== undefined && "streams" in open);
    open.streams += 1;
    const refused = pass.live?.();
    assert.ok(refused !== undefined && "why" in refused);
    assert.equal(refused.why, "1 live answers to user anna are open, which is their limit.");
    open.streams -= 1;
    assert.equal(pass.live?.(), open);
    assert.equal("live" in limits.stranger("10.0.0.1"), false);
  });

  it("counts strangers by where they are, of IPv6 by the network", () => {
    const { it: limits } = rates();
    const from = (address: string): boolean => once(limits.stranger(address));
    assert.deepEqual([from("10.0.0.1"), from("::ffff:10.0.0.1"), from("10.0.0.1")], [true, true, false]);
    assert.ok(from("10.0.0.2"));
    assert.deepEqual([from("2001:db8::1"), from("2001:DB8:0:0:9::2"), from("2001:db8::3")], [true, true, false]);
    assert.ok(from("2001:db8:0:1::1"));
    assert.ok(once(limits.stranger(undefined)));
  });

  it("forgets those that asked longest ago, and not who is at their limit", () => {
    const { it: limits, tick } = rates(2, 5);
    for (let n = 0; n < 3; n++) once(limits.identity(anna));
    const held = limits.identity(ben);
    assert.ok(isPass(held));
    for (let n = 0; n < 25_000; n++) {
      if (n % 100 === 0) tick(0);
      once(limits.stranger(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`));
    }
    assert.ok(!isPass(limits.identity(anna)), "a flood of others gives nobody a new bucket");
  });
});
