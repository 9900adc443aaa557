import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, before, describe, it } from "node:test";
import { json, startPdp } from "../../test/support/pdp.ts";
import type { Asked, Pdp } from "../../test/support/pdp.ts";
import { authzenEvaluator } from "./authzen.ts";
import { BREAKER } from "./breaker.ts";
import { combined } from "./combine.ts";
import { builtinEvaluator } from "./builtin.ts";
import { BASE } from "./contract-cases.ts";
import { decideWith } from "./contract.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import { opaEvaluator } from "./opa.ts";

/** A yes in the words of a protocol. */
type Yes = Readonly<Record<string, unknown>>;

interface Protocol {
  readonly name: string;
  readonly yes: Yes;
  readonly no: Yes;
  readonly open: (settings: { url: string; timeoutMs: number }, now?: () => number) => Evaluator;
}

const PROTOCOLS: readonly Protocol[] = [
  {
    name: "OPA",
    yes: { result: true },
    no: { result: false },
    open: (settings, now = () => 0) => opaEvaluator({ ...settings, path: "maestro/authz/decision" }, now),
  },
  {
    name: "AuthZEN",
    yes: { decision: true },
    no: { decision: false },
    open: (settings, now = () => 0) => authzenEvaluator(settings, now),
  },
];

/** Patient enough for any machine; a fault that is about time has its own. */
const PATIENT = 10_000;

type Fault = readonly [
  name: string,
  answer: (response: ServerResponse, yes: Yes, asked: Asked) => void,
  reason: RegExp,
  timeoutMs?: number,
];

/** Each holds a yes somewhere, and none of them is one. */
const FAULTS: readonly Fault[] = [
  ["an error with a yes in it", (response, yes) => json(response, yes, 500), /answered with status 500/],
  ["a yes that asks to log in", (response, yes) => json(response, yes, 401), /answered with status 401/],
  ["a yes that is no answer to a question", (response, yes) => json(response, yes, 201), /answered with status 201/],
  [
    "a yes that is a page",
    (response, yes) => page(response, "text/html", yes),
    /text\/html instead of application\/json/,
  ],
  [
    "a yes of no type",
    (response, yes) => page(response, undefined, yes),
    /no content type instead of application\/json/,
  ],
  ["text", (response) => json(response, "yes"), /is not JSON/],
  ["nothing", (response) => json(response, ""), /is not JSON/],
  ["bytes that are no text", (response) => binary(response), /is not JSON/],
  [
    "two answers in one, a no and a yes",
    (response, yes) => json(response, twice(yes)),
    /is not JSON: .*duplicate|twice/i,
  ],
  ["a list", (response, yes) => json(response, [yes]), /is not an object/],
  ["null", (response) => json(response, "null"), /is not an object/],
  ["a yes that is a text", (response, yes) => json(response, mapped(yes, "true")), /boolean/],
  ["a yes that is a number", (response, yes) => json(response, mapped(yes, 1)), /boolean/],
  ["a yes that is a list", (response, yes) => json(response, mapped(yes, [true])), /boolean/],
  ["a yes that is null", (response, yes) => json(response, mapped(yes, null)), /boolean/],
  [
    "a yes without its name",
    (response) => json(response, { allow: true, Result: true, Decision: true }),
    /undefined|boolean/,
  ],
  [
    "a yes that is too long",
    (response, yes) => json(response, { ...yes, pad: "x".repeat(300_000) }),
    /more than 262144 bytes|exceeded/i,
  ],
  ["a yes that never ends", (response, yes) => endless(response, yes), /more than 262144 bytes|exceeded/i],
  ["a yes that is too deep", (response, yes) => json(response, deep(yes)), /is not JSON: .*nested deeper than 32/],
  ["half a yes", (response, yes) => half(response, yes), /:/],
  ["a connection that is cut", (response) => void response.destroy(), /:/],
  [
    "a yes elsewhere",
    (response, _, { path }) => redirect(response, 302, path),
    /redirect \(302\), which is not followed/,
  ],
  [
    "a yes elsewhere, for the same question",
    (response, _, { path }) => redirect(response, 307, path),
    /redirect \(307\)/,
  ],
  ["silence", () => undefined, /did not answer within 60 ms/, 60],
  ["a yes whose end does not come", (response, yes) => slowEnd(response, yes), /did not answer within 60 ms/, 60],
];

for (const { name, yes, no, open } of PROTOCOLS)
  describe(`a decision point of ${name} that answers`, () => {
    let pdp: Pdp;
    let other: Pdp;
    before(async () => {
      // Where redirects lead: there everybody is allowed everything.
      other = await startPdp((_, response) => json(response, yes));
      elsewhere = other.url;
      pdp = await startPdp((_, response) => json(response, yes));
    });
    after(async () => {
      await pdp.close();
      await other.close();
    });
    const ask = async (timeoutMs: number): Promise<Verdict> => {
      const evaluator = open({ url: pdp.url, timeoutMs });
      try {
        return await decideWith(evaluator, BASE);
      } finally {
        await evaluator.close?.();
      }
    };

    it("yes allows, and no denies", async () => {
      pdp.answer = (_, response) => json(response, yes);
      assert.equal((await ask(PATIENT)).allow, true);
      pdp.answer = (_, response) => json(response, no);
      const { allow, reasons } = await ask(PATIENT);
      assert.deepEqual([allow, reasons], [false, ["the policy does not allow run.start"]]);
    });

    for (const [what, answer, reason, timeoutMs = PATIENT] of FAULTS)
      it(`with ${what} denies, and says so`, async () => {
        pdp.answer = (asked, response) => answer(response, yes, asked);
        const { allow, reasons } = await ask(timeoutMs);
        assert.equal(allow, false);
        assert.match(reasons.join("; "), reason);
        assert.equal(other.asked.length, 0, "nobody asked elsewhere");
      });

    it("is asked at most once more when it cuts the connection", async () => {
      pdp.answer = (_, response) => void response.destroy();
      const before = pdp.asked.length;
      await ask(PATIENT);
      assert.ok(pdp.asked.length - before <= 2);
    });
  });

describe("a decision point that is not there", () => {
  for (const { name, open } of PROTOCOLS)
    it(`denies, and is left alone after ${BREAKER.failures} tries until it had time: ${name}`, async () => {
      let now = 0;
      const evaluator = open({ url: "http://127.0.0.1:1", timeoutMs: PATIENT }, () => now);
      for (let i = 0; i < BREAKER.failures; i++) {
        const { allow, reasons } = await decideWith(evaluator, BASE);
        assert.equal(allow, false);
        assert.match(reasons.join("; "), /ECONNREFUSED/);
      }
      const open1 = await decideWith(evaluator, BASE);
      assert.equal(open1.allow, false);
      assert.match(
        open1.reasons.join("; "),
        /has failed several times in a row and is left alone; it is asked again in 1 s/,
      );
      now += BREAKER.openMs;
      assert.match((await decideWith(evaluator, BASE)).reasons.join("; "), /ECONNREFUSED/, "one is let through");
      assert.match(
        (await decideWith(evaluator, BASE)).reasons.join("; "),
        /asked again in 2 s/,
        "it failed: longer now",
      );
      await evaluator.close?.();
    });

  it("is asked by one only when its time is over, and by all when that one had an answer", async () => {
    let hold: (() => void) | undefined;
    const pdp = await startPdp((_, response) => json(response, "broken", 500));
    let now = 0;
    const evaluator = opaEvaluator({ url: pdp.url, timeoutMs: PATIENT, path: "a" }, () => now);
    for (let i = 0; i < BREAKER.failures; i++) await decideWith(evaluator, BASE);
    now += BREAKER.openMs;
    const arrived = new Promise<void>((resolve) => {
      pdp.answer = async (_, response) => {
        resolve();
        await new Promise<void>((go) => (hold = go));
        json(response, { result: true });
      };
    });
    const asked = pdp.asked.length;
    const probe = decideWith(evaluator, BASE);
    await arrived;
    assert.match((await decideWith(evaluator, BASE)).reasons.join("; "), /is left alone/);
    hold?.();
    assert.equal((await probe).allow, true);
    pdp.answer = (_, response) => json(response, { result: true });
    assert.equal((await decideWith(evaluator, BASE)).allow, true);
    assert.equal(pdp.asked.length - asked, 2);
    await evaluator.close?.();
    await pdp.close();
  });

  it("comes back with the same evaluator", async () => {
    const pdp = await startPdp((_, response) => json(response, { result: true }));
    const evaluator = opaEvaluator({ url: pdp.url, timeoutMs: PATIENT, path: "a" }, () => 0);
    pdp.answer = (_, response) => void response.destroy();
    assert.equal((await decideWith(evaluator, BASE)).allow, false);
    pdp.answer = (_, response) => json(response, { result: true });
    assert.equal((await decideWith(evaluator, BASE)).allow, true);
    await evaluator.close?.();
    await pdp.close();
  });
});

describe("several policies together", () => {
  const saying = (allow: boolean, name = "x"): Evaluator => ({
    engine: name,
    policyDigest: `sha256:${name}`,
    repeatable: true,
    evaluate: () => ({
      allow,
      rules: [name],
      reasons: [`${name} says ${allow}`],
      obligations: allow ? [{ id: name, type: "notify", properties: {} }] : [],
    }),
  });
  const failing: Evaluator = {
    ...saying(true, "failing"),
    evaluate: () => {
      throw new Error("broken");
    },
  };
  const late: Evaluator = { ...saying(true, "late"), evaluate: async () => Promise.reject(new Error("too late")) };

  it("allow what all of them allow, with all that they ask for", async () => {
    const { allow, rules, obligations } = await decideWith(combined([saying(true, "a"), saying(true, "b")]), BASE);
    assert.deepEqual([allow, rules, obligations?.map(({ id }) => id)], [true, ["a", "b"], ["a", "b"]]);
  });
  it("deny what one of them denies, for its reasons", async () => {
    const { allow, rules, reasons } = await decideWith(combined([saying(true, "a"), saying(false, "b")]), BASE);
    assert.deepEqual([allow, rules, reasons], [false, ["b"], ["b says false"]]);
  });
  it("deny when one of them fails, at once or late", async () => {
    for (const [broken, reason] of [
      [failing, "failing failed: broken"],
      [late, "late failed: too late"],
    ] as const) {
      const { allow, reasons } = await decideWith(combined([saying(true), broken, builtinEvaluator()]), BASE);
      assert.deepEqual([allow, reasons], [false, [reason]]);
    }
  });
  it("have a digest of all, and are remembered only if all may be", () => {
    const [a, b] = [saying(true, "a"), saying(true, "b")];
    assert.notEqual(combined([a, b]).policyDigest, combined([a, a]).policyDigest);
    assert.equal(combined([a, b]).repeatable, true);
    assert.equal(combined([a, { ...b, repeatable: false }]).repeatable, false);
    assert.equal(combined([a]), a);
  });
});

let elsewhere = "";

function redirect(response: ServerResponse, status: number, path: string): void {
  response.writeHead(status, { location: `${elsewhere}${path}` });
  response.end();
}

function page(response: ServerResponse, type: string | undefined, yes: Yes): void {
  response.writeHead(200, type === undefined ? {} : { "content-type": type });
  response.end(JSON.stringify(yes));
}

function binary(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]));
}

function twice(yes: Yes): string {
  const [name] = Object.keys(yes);
  return `{"${name}": false, "${name}": true}`;
}

function mapped(yes: Yes, value: unknown): Yes {
  return Object.fromEntries(Object.keys(yes).map((name) => [name, value]));
}

function deep(yes: Yes): string {
  return JSON.stringify(yes).replace("}", `, "pad": ${"[".repeat(100)}${"]".repeat(100)}}`);
}

function half(response: ServerResponse, yes: Yes): void {
  const whole = JSON.stringify({ ...yes, more: "x".repeat(100) });
  response.writeHead(200, { "content-type": "application/json", "content-length": whole.length });
  response.write(whole.slice(0, 30), () => response.destroy());
}

function endless(response: ServerResponse, yes: Yes): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.write(JSON.stringify(yes));
  const more = (): void => {
    while (!response.destroyed && response.write(" ".repeat(16_384)));
    if (!response.destroyed) response.once("drain", more);
  };
  more();
}

function slowEnd(response: ServerResponse, yes: Yes): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.write(JSON.stringify(yes));
}
