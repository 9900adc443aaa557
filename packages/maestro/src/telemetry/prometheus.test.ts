import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readExposition, valueOf } from "../../test/support/exposition.ts";
import { Histogram } from "../engine/histogram.ts";
import { each, one } from "./metric.ts";
import type { Metric } from "./metric.ts";
import { METRICS } from "./metrics.ts";
import { exposition } from "./prometheus.ts";

describe("the exposition", () => {
  it("writes any label value so that it is read as it was", async () => {
    const values = { plain: 1, 'quo"te': 2, "back\\slash": 3, "new\nline": 4, ünïcode: 5, "": 6 };
    const { text } = await exposition(
      [each("name", { name: "a_total", type: "counter", help: "Back\\slash and\nnew line.", values: () => values })],
      () => Promise.resolve({}),
    )();
    const families = readExposition(text);
    for (const [name, value] of Object.entries(values)) assert.equal(valueOf(families, "a_total", { name }), value);
  });

  it("writes buckets that include those below, by labels", async () => {
    const histogram = new Histogram([0.1, 1]);
    for (const value of [0.05, 0.5, 0.5, 7]) histogram.add(value);
    const metric: Metric<unknown> = {
      name: "a_seconds",
      type: "histogram",
      help: "A.",
      labels: ["route"],
      read: () => [
        { labels: { route: "/x" }, value: histogram },
        { labels: { route: "/y" }, value: new Histogram([0.1, 1]) },
      ],
    };
    const families = readExposition((await exposition([metric], () => Promise.resolve({}))()).text);
    const bucket = (le: string): number => valueOf(families, "a_seconds_bucket", { route: "/x", le });
    assert.deepEqual([bucket("0.1"), bucket("1"), bucket("+Inf")], [1, 3, 4]);
    assert.equal(valueOf(families, "a_seconds_sum", { route: "/x" }), 8.05);
    assert.equal(valueOf(families, "a_seconds_count", { route: "/y" }), 0);
  });

  it("leaves out what nobody knows", async () => {
    const metrics = [one({ name: "a", type: "gauge", help: "A.", value: () => undefined })];
    const { text } = await exposition(metrics, () => Promise.resolve({}))();
    assert.deepEqual(readExposition(text).get("a")?.samples, []);
  });

  it("reads once for scrapes that come together, and again for the next, also after one that failed", async () => {
    let taken = 0;
    const scrape = exposition([one({ name: "a", type: "gauge", help: "A.", value: (n: number) => n })], async () => {
      taken += 1;
      if (taken === 2) throw new Error("the disk is gone");
      return taken;
    });
    const [a, b] = await Promise.all([scrape(), scrape()]);
    assert.equal(a, b);
    await assert.rejects(scrape(), /the disk is gone/);
    assert.equal(valueOf(readExposition((await scrape()).text), "a"), 3);
  });
});

describe("the table of metrics", () => {
  it("names each once, with its unit, and says what it means in a sentence", () => {
    assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
    for (const { name, type, help } of METRICS) {
      assert.match(name, /^(maestro|process|nodejs)_[a-z0-9]+(_[a-z0-9]+)*$/);
      assert.equal(name.endsWith("_total"), type === "counter", name);
      if (type === "histogram") assert.match(name, /_seconds$/);
      assert.match(help, /^[A-Z1].*[.]$/s, name);
    }
  });
});
