import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { apiPage, apiPath } from "../../../../scripts/generate-api-docs.ts";
import { REPEATED } from "./repeat.ts";
import { ROUTES } from "./routes.ts";

describe("the table of routes", () => {
  it("is the reference page: npm run docs", () => assert.equal(readFileSync(apiPath, "utf8"), apiPage()));

  it("names each operation once, each by one method and path", () => {
    const operations = ROUTES.map(({ operation }) => operation);
    const places = ROUTES.map(({ method, path }) => `${method} ${path.replaceAll(/\{\w+\}/g, "{}")}`);
    assert.equal(new Set(operations).size, ROUTES.length);
    assert.equal(new Set(places).size, ROUTES.length);
  });

  it("describes every operation, and every field that has a name", () => {
    for (const route of ROUTES) {
      assert.match(route.summary, /^[A-Z].*\.$/s, route.operation);
      assert.ok(route.answers.length > 0, route.operation);
      for (const [name, field] of [...Object.entries(route.query), ...Object.entries(route.body ?? {})]) {
        assert.ok(
          typeof field.schema["description"] === "string" && field.schema["description"] !== "",
          `${route.operation}: ${name}`,
        );
      }
    }
  });

  it("says of everything that is not merely read what becomes of it when it is sent twice", () => {
    const changing = ROUTES.filter(({ method }) => method !== "GET").map(({ operation }) => operation);
    assert.deepEqual(Object.keys(REPEATED).sort(), changing.sort());
  });

  it("takes a body only where it changes something", () => {
    for (const { method, body, operation } of ROUTES) assert.equal(body !== null, method !== "GET", operation);
  });
});
