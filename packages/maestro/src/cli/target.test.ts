import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isProject } from "../manifest/project.ts";
import { changeConfig, configPath, readConfig } from "./config-file.ts";
import { readKey } from "./config-key.ts";
import { findTarget } from "./target.ts";
import type { Target, TargetFlags } from "./target.ts";

const NONE: TargetFlags = { data: undefined, server: undefined, tokenFile: undefined, context: undefined };
const CONFIG = `# mine
current: home
contexts:
  home: { data: ~/runs }
  prod:
    server: https://maestro.example/base/
    tokenFile: prod.token # kept apart
  near: { server: "http://127.0.0.1:7717", tokenFile: ~/near.token }
  bare: { server: "http://127.0.0.1:8000" }
`;

let root = "";
let env: NodeJS.ProcessEnv = {};

before(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "maestro-target-")));
  env = { XDG_CONFIG_HOME: join(root, "config"), XDG_DATA_HOME: "/xdg", HOME: "/home/x" };
  const files: Readonly<Record<string, string>> = {
    "config/maestro/config.yaml": CONFIG,
    "folder/.maestro/x": "",
    "folder/a/b/x": "",
    "project/maestro.yaml": "apiVersion: maestro/v1\nkind: Project\ndata: runs\n",
    "project/a/x": "",
    "context/maestro.yaml": "apiVersion: maestro/v1\nkind: Project\ncontext: prod\n",
    "runbook/.maestro/x": "",
    "runbook/maestro.yaml": "apiVersion: maestro/v1\nkind: Runbook\nmetadata: {}\n",
    "greedy/maestro.yaml": "apiVersion: maestro/v1\nkind: Project\nserver: http://evil.example\n",
    "file/.maestro": "",
    "plain/x": "",
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
});
after(() => rm(root, { recursive: true }));

const find = (cwd: string, flags: Partial<TargetFlags> = {}, more: NodeJS.ProcessEnv = {}): Target =>
  findTarget({ flags: { ...NONE, ...flags }, env: { ...env, ...more }, cwd: join(root, cwd) });

function shown(target: Target): string {
  const value = target.kind === "data" ? target.data : target.server;
  const token =
    target.kind === "data" || target.token === undefined
      ? ""
      : target.token.kind === "value"
        ? ` (${target.token.variable})`
        : ` ${target.token.file.value} (${target.token.file.origin})`;
  return `${value.value} (${value.origin})${token}`.replaceAll(root, "");
}

describe("findTarget()", () => {
  const config = "/config/maestro/config.yaml";
  const cases: readonly (readonly [string, Partial<TargetFlags>, NodeJS.ProcessEnv, string])[] = [
    // A flag, before everything.
    ["folder", { data: "x" }, { MAESTRO_DATA: "/y", MAESTRO_SERVER: "http://h" }, "/folder/x (--data)"],
    ["folder", { server: "http://h:1/" }, { MAESTRO_DATA: "/y" }, "http://h:1 (--server)"],
    ["folder", { context: "home" }, { MAESTRO_DATA: "/y" }, `/home/x/runs (${config}, context home)`],
    // A variable, before the project.
    ["folder", {}, { MAESTRO_DATA: "/y" }, "/y (MAESTRO_DATA)"],
    ["folder", {}, { MAESTRO_DATA: "/y", MAESTRO_SERVER: "http://h" }, "http://h (MAESTRO_SERVER)"],
    ["project", {}, { MAESTRO_CONTEXT: "home" }, `/home/x/runs (${config}, context home)`],
    // The project, before the current context.
    ["folder/a/b", {}, {}, "/folder/.maestro (project)"],
    ["project/a", {}, {}, "/project/runs (/project/maestro.yaml)"],
    ["runbook", {}, {}, "/runbook/.maestro (project)"],
    [
      "context",
      {},
      {},
      `https://maestro.example/base (${config}, context prod) /config/maestro/prod.token (${config}, context prod)`,
    ],
    // The current context, before the default.
    ["plain", {}, {}, `/home/x/runs (${config}, context home)`],
    ["file", { data: "" }, { MAESTRO_DATA: "" }, `/home/x/runs (${config}, context home)`],
    ["plain", {}, { XDG_CONFIG_HOME: "/nowhere" }, "/xdg/maestro (default)"],
    ["plain", {}, { XDG_CONFIG_HOME: "/nowhere", XDG_DATA_HOME: "relative" }, "/home/x/.local/share/maestro (default)"],
    // The token: flag, variables, and that of a context only for that context's server.
    [
      "plain",
      { server: "http://h", tokenFile: "t" },
      { MAESTRO_TOKEN: "s" },
      "http://h (--server) /plain/t (--token-file)",
    ],
    [
      "plain",
      { server: "http://h" },
      { MAESTRO_TOKEN: "s", MAESTRO_TOKEN_FILE: "/f" },
      "http://h (--server) (MAESTRO_TOKEN)",
    ],
    ["plain", { server: "http://h" }, { MAESTRO_TOKEN_FILE: "/f" }, "http://h (--server) /f (MAESTRO_TOKEN_FILE)"],
    ["plain", { context: "bare" }, {}, `http://127.0.0.1:8000 (${config}, context bare)`],
    [
      "plain",
      { server: "http://127.0.0.1:7717/" },
      {},
      `http://127.0.0.1:7717 (--server) /home/x/near.token (${config}, context near)`,
    ],
    ["plain", { server: "http://127.0.0.1:7718" }, {}, "http://127.0.0.1:7718 (--server)"],
  ];
  for (const [cwd, flags, more, expected] of cases) {
    it(`${cwd} ${JSON.stringify(flags)} ${JSON.stringify(more)}: ${expected}`, () =>
      assert.equal(shown(find(cwd, flags, more)), expected));
  }

  const refused: readonly (readonly [string, Partial<TargetFlags>, NodeJS.ProcessEnv, RegExp])[] = [
    ["plain", { data: "x", server: "http://h" }, {}, /--data, --server and --context/],
    ["plain", { server: "ftp://h" }, {}, /--server names the server "ftp:\/\/h"/],
    ["plain", { server: "http://user@h" }, {}, /not a URL/],
    ["plain", { context: "prd" }, {}, /no context prd in .*config.yaml, and --context names it. Did you mean prod/],
    ["plain", { data: "x", tokenFile: "t" }, {}, /--token-file is for a server/],
    ["greedy", {}, {}, /server is not known here/],
  ];
  for (const [cwd, flags, more, message] of refused) {
    it(`${cwd} ${JSON.stringify(flags)} is refused: ${message}`, () =>
      assert.throws(() => find(cwd, flags, more), { code: "invalid_request", message }));
  }
});

describe("the configuration file", () => {
  const inFile = async (text: string): Promise<NodeJS.ProcessEnv> => {
    const home = await mkdtemp(join(root, "home-"));
    await mkdir(join(home, "maestro"));
    await writeFile(join(home, "maestro/config.yaml"), text);
    return { XDG_CONFIG_HOME: home };
  };
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["[1]", /must be an object/],
    ["currant: x", /currant is not known here; did you mean current/],
    ["current: 5", /current must be a context's name/],
    ["contexts: { A: {} }", /"A" is no name/],
    ["contexts: { a: { servr: http://h } }", /servr is not known here; did you mean "server"/],
    ["contexts: { a: { server: http://h, data: /d } }", /one of the two/],
    ["contexts: { a: { tokenFile: /t } }", /has a tokenFile and no server/],
    ["a: b: c", /it is not YAML/],
    ["a: &x 1\nb: *x", /it is not YAML/],
  ];
  for (const [text, message] of wrong) {
    it(`${JSON.stringify(text)} is refused with a place and words`, async () => {
      const place = await inFile(text);
      assert.throws(() => readConfig(place), { code: "invalid_request", message });
    });
  }

  it("is changed in one place, keeps its comments, and is its owner's alone", async () => {
    const place = await inFile(CONFIG);
    const path = configPath(place);
    await changeConfig(path, ["contexts", "prod", "server"], "https://other.example");
    await changeConfig(path, ["contexts", "home", "data"], "");
    const text = await readFile(path, "utf8");
    assert.match(text, /# mine/);
    assert.match(text, /# kept apart/);
    assert.equal(readConfig(place).contexts["prod"]?.server, "https://other.example");
    assert.deepEqual(readConfig(place).contexts["home"], {});
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it("is made where there is none", async () => {
    const place = { XDG_CONFIG_HOME: join(root, "fresh") };
    assert.deepEqual(readConfig(place).contexts, {});
    await changeConfig(configPath(place), readKey("contexts.a.server"), "http://h");
    assert.deepEqual(readConfig(place).contexts, { a: { server: "http://h" } });
  });

  it("has keys that are known", () => {
    assert.deepEqual(readKey("contexts.a.tokenFile"), ["contexts", "a", "tokenFile"]);
    assert.throws(() => readKey("contexts.a.tokenfile"), { message: /Did you mean tokenFile/ });
    for (const odd of ["currant", "contexts", "contexts.a", "contexts..server", "contexts.a.server.x", ""])
      assert.throws(() => readKey(odd), { code: "invalid_request", message: /There is no key/ });
  });

  it("is told from a manifest by its kind", () => {
    assert.ok(isProject("kind: Project # of mine\n") && isProject('a: 1\nkind: "Project"\n'));
    assert.ok(!isProject("kind: Runbook\n") && !isProject("spec:\n  kind: Project\n") && !isProject(""));
  });
});
