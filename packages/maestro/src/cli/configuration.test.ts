import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  CONFIG_EXAMPLE,
  configurationPage,
  configurationPath,
  IDENTITY_EXAMPLE,
  POLICY_EXAMPLE,
  PROJECT_EXAMPLE,
} from "../../../../scripts/generate-configuration.ts";
import { readIdentity } from "../identity/read-settings.ts";
import { MARKER } from "../runner/tree.ts";
import { readPolicy } from "../operations/retention-policy.ts";
import { configPath, readConfig, readProject } from "./config-file.ts";
import { TOPICS } from "./topics.ts";
import { VARIABLES } from "./variables.ts";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));

describe("the configuration", () => {
  it("has a reference page that is its tables: npm run docs", () =>
    assert.equal(readFileSync(configurationPath, "utf8"), configurationPage()));

  it("has examples that are read as they are meant", async () => {
    const dir = await mkdtemp(join(tmpdir(), "maestro-config-"));
    try {
      const env = { XDG_CONFIG_HOME: dir };
      await mkdir(dirname(configPath(env)), { recursive: true });
      await writeFile(configPath(env), CONFIG_EXAMPLE);
      const { current, contexts } = readConfig(env);
      assert.deepEqual([current, Object.keys(contexts)], ["shop", ["shop", "here"]]);
      await writeFile(join(dir, "maestro.yaml"), PROJECT_EXAMPLE);
      assert.equal(readProject(join(dir, "maestro.yaml"))?.data, ".maestro");
      const policy = await readPolicy(POLICY_EXAMPLE, "retention.yaml");
      assert.equal(policy.namespaces["audit"]?.receipts, null);
      const { issuers } = await readIdentity(IDENTITY_EXAMPLE, "identity.yaml");
      assert.deepEqual([...issuers.keys()], ["company", "github"]);
      assert.equal(issuers.get("github")?.services[0]?.name, "shop-release");
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("refuses a file that is too large and one with too many contexts, with the limit", async () => {
    const dir = await mkdtemp(join(tmpdir(), "maestro-config-"));
    try {
      const env = { XDG_CONFIG_HOME: dir };
      await mkdir(dirname(configPath(env)), { recursive: true });
      const many = Array.from({ length: 101 }, (_, i) => `  c${i}: { data: /d }`).join("\n");
      for (const [text, message] of [
        [`# ${"x".repeat(256 * 1024)}`, /larger than 262144 bytes/],
        [`contexts:\n${many}\n`, /more than 100 contexts/],
        ["curent: x\n", /curent is not known here; did you mean current\?/],
        ["contexts: { X: { data: /d } }\n", /"X" is no name for a context/],
        ["contexts: { x: { data: /d, server: http://h } }\n", /it is one of the two/],
        ["contexts: &a { b: *a }\n", /cannot be used/],
      ] as const) {
        await writeFile(configPath(env), text);
        assert.throws(() => readConfig(env), { code: "invalid_request", message });
      }
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("knows every variable that the code reads, and no other", () => {
    const files = globSync(["src/**/*.ts", "bin/*.cjs"], { cwd: PACKAGE }).filter(
      (path) => !/\.test\.ts$|contract\.ts$|variables\.ts$/.test(path),
    );
    const code = files.map((path) => readFileSync(join(PACKAGE, path), "utf8")).join("\n");
    const read = new Set(
      [
        ...code.matchAll(/\benv(?:ironment)?(?:\[|\.)"?([A-Z][A-Z_]+)\b/g),
        ...code.matchAll(/\bread\("(OTEL_[A-Z_]+)"/g),
        ...code.matchAll(/"(MAESTRO_[A-Z_]+)"/g),
      ].map(([, name = ""]) => name),
    );
    // Given to commands of tasks, and not read.
    read.delete(MARKER);
    const told = VARIABLES.flatMap(({ variables }) => variables);
    assert.deepEqual(
      [...read].filter((name) => !told.some((one) => one.name === name)),
      [],
    );
    assert.deepEqual(
      told.filter(({ name, elsewhere }) => read.has(name) === (elsewhere === true)).map(({ name }) => name),
      [],
    );
  });

  it("is told by maestro help environment, in lines that fit", () => {
    const text = TOPICS["environment"]?.text ?? "";
    for (const { summary, variables } of VARIABLES)
      for (const { name } of variables) assert.ok(summary !== undefined || text.includes(name), name);
    for (const line of text.split("\n")) assert.ok(line.length <= 120, line);
  });
});
