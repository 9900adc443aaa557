import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "./json.ts";
import { MaestroError } from "./problem.ts";
import { parseDateTime } from "./time.ts";
import { parseWait } from "./wait.ts";
import type { Wait } from "./wait.ts";

describe("parseWait()", () => {
  const table: readonly (readonly [JsonObject, Wait])[] = [
    [{ duration: "30s" }, { until: 31_000, signal: null }],
    [{ duration: "0s" }, { until: 1000, signal: null }],
    [{ until: "1970-01-01T00:00:05Z" }, { until: 5000, signal: null }],
    [{ until: "1970-01-01T02:00:05.5+02:00" }, { until: 5500, signal: null }],
    [{ signal: "deployed" }, { until: null, signal: "deployed" }],
    [
      { signal: "deployed", timeout: "1m" },
      { until: 61_000, signal: "deployed" },
    ],
    [
      { event: "deployed", timeout: "1m" },
      { until: 61_000, signal: "deployed" },
    ],
  ];
  for (const [input, wait] of table)
    it(`reads ${JSON.stringify(input)}`, () => assert.deepEqual(parseWait(input, 1000), wait));

  const bad: readonly (readonly [JsonObject, RegExp])[] = [
    [{}, /give exactly one of duration, until, signal and event$/],
    [{ duration: "1s", signal: "x" }, /exactly one .*, not duration and signal/],
    [{ duration: "soon" }, /duration must be a duration such as "30s" or "1h30m", is "soon"/],
    [{ duration: 5 }, /is 5/],
    [{ until: "2026-11-21 08:00" }, /RFC 3339/],
    [{ until: "2026-11-21T08:00:00" }, /with its offset/],
    [{ duration: "1s", timeout: "1s" }, /timeout goes with signal or event only/],
    [{ signal: "" }, /name of 1 to 200/],
    [{ signal: "x", timeout: "-1s" }, /timeout must be a duration/],
  ];
  for (const [input, message] of bad) {
    it(`refuses ${JSON.stringify(input)}`, () =>
      assert.throws(
        () => parseWait(input, 0),
        (thrown) => thrown instanceof MaestroError && thrown.code === "invalid_input" && message.test(thrown.message),
      ));
  }
});

describe("parseDateTime()", () => {
  const table: readonly (readonly [string, number | undefined])[] = [
    ["2026-11-21T08:00:00Z", Date.UTC(2026, 10, 21, 8)],
    ["2026-11-21t08:00:00.250z", Date.UTC(2026, 10, 21, 8, 0, 0, 250)],
    ["2026-11-21T08:00:00-05:30", Date.UTC(2026, 10, 21, 13, 30)],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
    ["2026-02-29T00:00:00Z", undefined],
    ["2026-13-01T00:00:00Z", undefined],
    ["2026-11-21T24:00:00Z", undefined],
    ["2026-11-21T08:00:60Z", undefined],
    ["2026-11-21", undefined],
    ["2026-11-21T08:00:00", undefined],
    ["+2026-11-21T08:00:00Z", undefined],
  ];
  for (const [text, ms] of table) it(`reads ${text} as ${ms}`, () => assert.equal(parseDateTime(text), ms));
});
