import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { METRICS } from "../src/telemetry/metrics.ts";

// What pages say of logs, traces and metrics is what the program says.

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const page = readFileSync(join(ROOT, "docs/reference/logs-and-traces.md"), "utf8");
const sourceOf = (folders: string): string =>
  globSync(`packages/maestro/src/${folders}`, { cwd: ROOT })
    .filter((path) => !path.endsWith(".test.ts"))
    .map((path) => readFileSync(join(ROOT, path), "utf8"))
    .join("\n");
const distinct = (matches: Iterable<RegExpMatchArray>): string[] =>
  [...new Set(Array.from(matches, (match) => match.slice(1).find((group) => group !== undefined)!))].toSorted();

describe("the reference of logs and traces", () => {
  it("has every message of a line, and no other", () => {
    const said = distinct(
      sourceOf("**/*.ts").matchAll(
        /(?:"(?:debug|info|warn|error)"|\blevel),\s*["`]([^"`]+ [^"`]+)["`]|\.(?:log|warn)\("([^"]+ [^"]+)"/g,
      ),
    );
    assert.ok(said.length > 25, said.join("\n"));
    assert.deepEqual(distinct(page.matchAll(/^\| (?:debug|info|warn|error)[^|]*\| `([^`]+)` \|/gm)), said);
  });

  it("has every attribute of a span, and no other", () => {
    const set = distinct(
      sourceOf("telemetry/{run-spans,span*,otlp}.ts").matchAll(/"((?:maestro|cicd|error|process)\.[a-z_.]+)"/g),
    );
    assert.ok(set.length > 25, set.join("\n"));
    assert.deepEqual(distinct(page.matchAll(/^\| `((?:maestro|cicd|error|process)\.[a-z_.]+)` \|/gm)), set);
  });
});

describe("the guide to observing", () => {
  it("names metrics that there are", () => {
    const known = new Set(METRICS.map(({ name }) => name));
    const guide = readFileSync(join(ROOT, "docs/guides/observe.md"), "utf8");
    const named = distinct(guide.matchAll(/\b((?:maestro|process|nodejs)_[a-z_]+)\b/g)).filter(
      (name) => !/^maestro_(?:up|job)$/.test(name),
    );
    assert.ok(named.length > 8, named.join("\n"));
    for (const name of named) assert.ok(known.has(name.replace(/_(?:bucket|sum|count)$/, "")), name);
  });
});
