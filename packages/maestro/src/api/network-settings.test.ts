import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_NETWORK, readNetworkSettings } from "./network-settings.ts";

const read = async (text: string) => readNetworkSettings(text, "network.yaml");

describe("network.yaml", () => {
  it("has the defaults where it is silent", async () => {
    for (const text of ["", "network: {}\n", "network: { identity: {}, stranger: {} }\n"])
      assert.deepEqual(await read(text), DEFAULT_NETWORK, text);
  });

  it("sets each limit by itself", async () => {
    assert.deepEqual(
      await read("network:\n  identity: { perSecond: 10, atOnce: 3 }\n  stranger: { perSecond: 2 }\n  answer: 90s\n"),
      { rates: { identity: { perSecond: 10, atOnce: 3, streams: 250 }, stranger: { perSecond: 2 } }, answerMs: 90_000 },
    );
    assert.equal((await read("network: { answer: 1h }\n")).rates.identity.perSecond, 5_000);
  });

  it("tells every fault at once", async () => {
    await assert.rejects(
      read("network:\n  identity: { perSecond: 0, atonce: 3 }\n  stranger: { perSecond: many }\n  answer: 2d\n"),
      {
        code: "network_unusable",
        message:
          'network.yaml: network.identity has no member "atonce"; did you mean atOnce?; network.identity.perSecond is 0; it is a whole number from 1 to 1000000; network.stranger.perSecond is "many"; it is a whole number from 1 to 1000000; network.answer is "2d"; it is a duration from 1s to 1h, such as 2m.',
      },
    );
    for (const [text, says] of [
      ["network: &a {}\nother: *a\n", /aliases/],
      ["network: {}\nnetwork: {}\n", /unique/],
      ["[]", /the file is not a mapping/],
      [`# ${"x".repeat(70_000)}`, /more than 65536 bytes/],
    ] as const)
      await assert.rejects(read(text), { code: "network_unusable", message: says });
  });
});
