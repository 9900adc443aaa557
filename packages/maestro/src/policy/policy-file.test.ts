import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { json, startPdp } from "../../test/support/pdp.ts";
import { MaestroError } from "../core/problem.ts";
import { BASE, DEFAULT_POLICY } from "./contract-cases.ts";
import { decideWith } from "./contract.ts";
import { LivePolicy } from "./live-policy.ts";
import { openGate } from "./open-gate.ts";
import type { PolicySettings } from "./policy-file.ts";
import { DEFAULT_POLICY_SETTINGS, loadPolicySettings, POLICY_FILE_LIMITS, readPolicySettings } from "./policy-file.ts";

const read = async (text: string): Promise<PolicySettings> => readPolicySettings(text, "policy.yaml");

describe("policy.yaml", () => {
  it("may be absent or empty: the built-in policy", async () => {
    assert.equal(await loadPolicySettings(tmpdir()), DEFAULT_POLICY_SETTINGS);
    for (const text of ["", "# nothing\n", "evaluator: builtin\n"])
      assert.deepEqual(await read(text), DEFAULT_POLICY_SETTINGS);
  });

  it("names an engine and its policy, or several", async () => {
    const settings = await read(`
environment: production
evaluator:
  - cedar: { folder: policy, digest: "sha256:${"a".repeat(64)}" }
  - wasm: { file: policy/policy.wasm, entrypoint: maestro/authz/decision, data: policy/data.json }
  - opa: { url: "https://opa.example:8181", path: maestro/authz/decision, timeoutMs: 100, tokenFile: token, caFile: ca.pem }
  - authzen: { url: "http://127.0.0.1:8080/pdp", discover: true }
shadow:
  cedar: { folder: policy-next }
breakGlass: { longest: 30m }
`);
    assert.deepEqual(settings, {
      environment: "production",
      evaluators: [
        { kind: "cedar", folder: "policy", digest: `sha256:${"a".repeat(64)}` },
        { kind: "wasm", file: "policy/policy.wasm", entrypoint: "maestro/authz/decision", data: "policy/data.json" },
        {
          kind: "opa",
          url: "https://opa.example:8181",
          path: "maestro/authz/decision",
          timeoutMs: 100,
          tokenFile: "token",
          caFile: "ca.pem",
        },
        { kind: "authzen", url: "http://127.0.0.1:8080/pdp", discover: true },
      ],
      shadow: [{ kind: "cedar", folder: "policy-next" }],
      notify: {},
      breakGlassLongestMs: 1_800_000,
    });
  });

  it("is refused for all that is wrong with it, at once", async () => {
    for (const [text, ...faults] of [
      [
        "evaluator: bultin",
        /evaluator is not builtin, and not one of cedar, wasm, opa, authzen with its settings; did you mean builtin\?/,
      ],
      ["evaluator: { cedr: { folder: a } }", /did you mean cedar\?/],
      ["evaluator: { cedar: { folder: a }, opa: { url: b } }", /evaluator is not builtin/],
      ["evaluator: []", /evaluator names none/],
      ["evaluator: [builtin, builtin, builtin, builtin, builtin, builtin]", /has more than 5 entries/],
      ["evaluater: builtin", /the file has no member "evaluater"; did you mean evaluator\?/],
      [
        "evaluator: { cedar: { foldr: a } }",
        /evaluator.cedar has no member "foldr"; did you mean folder\?/,
        /evaluator.cedar.folder is missing/,
      ],
      ["evaluator: { cedar: { folder: 1 } }", /evaluator.cedar.folder is not a text/],
      ["evaluator: { cedar: { folder: a, digest: abc } }", /digest is not sha256: and 64/],
      ["evaluator: { cedar: a }", /evaluator.cedar is not a mapping/],
      ["evaluator: { wasm: { file: a } }", /evaluator.wasm.entrypoint is missing/],
      ["evaluator: { wasm: { file: a, entrypoint: ../x } }", /entrypoint is "..\/x"; it is the path of a rule/],
      [
        "evaluator: { opa: { url: 'http://opa.example', path: a } }",
        /is not encrypted, and whoever is on the way could answer/,
      ],
      [
        "evaluator: { opa: { url: 'https://a:b@opa.example', path: a } }",
        /holds a password; name a file with `tokenFile`/,
      ],
      ["evaluator: { opa: { url: 'https://opa.example/v1/data', path: a } }", /url ends with its port/],
      ["evaluator: { opa: { url: 'https://opa.example?x', path: a } }", /has a query or a fragment/],
      ["evaluator: { opa: { url: 'ftp://opa.example', path: a } }", /neither https: nor http:/],
      ["evaluator: { opa: { url: nowhere, path: 'a?b' } }", /is not a URL/, /path is "a\?b"/],
      [
        "evaluator: { opa: { url: 'https://opa.example', path: a, timeoutMs: 0 } }",
        /timeoutMs is 0; it is a whole number from 1 to 10000/,
      ],
      [
        "evaluator: { authzen: { url: 'https://x.example', discover: yes please } }",
        /discover is neither true nor false/,
      ],
      ["environment: ''", /environment is ""; it is a name such as production/],
      ["environment: [a]", /environment is \["a"\]/],
      ["shadow: cedar", /shadow is not builtin/],
      ["notify: { ops: { command: rm } }", /notify.ops/],
      ["breakGlass: { longest: 2d }", /breakGlass.longest is "2d"; it is a duration from 1m to/],
      ["breakGlass: { longst: 2h }", /breakGlass has no member "longst"; did you mean longest\?/],
      ["- a", /the file is not a mapping/],
      ["evaluator: builtin\nevaluator: builtin", /keys must be unique/i],
      ["a: &x [1]\nb: *x", /alias/i],
      ["evaluator: [", /policy.yaml cannot be used/],
      ["#".repeat(POLICY_FILE_LIMITS.bytes + 1), /it has more than 262144 bytes/],
    ] as const)
      await assert.rejects(read(text), (error) => {
        assert.ok(error instanceof MaestroError);
        assert.equal(error.code, "policy_unusable");
        for (const fault of faults) assert.match(error.message, fault);
        return true;
      });
  });
});

describe("the policy of a data directory", () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), "maestro-policy-"));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));
  const write = (text: string): void => writeFileSync(join(dataDir, "policy.yaml"), text);
  const open = async (): Promise<LivePolicy> => LivePolicy.open({ dataDir, now: () => 0 });
  const useCedar = (): string => {
    const folder = join(dataDir, "policy");
    cpSync(join(DEFAULT_POLICY, "cedar"), folder, { recursive: true });
    write("evaluator: { cedar: { folder: policy } }");
    return folder;
  };

  it("is refused where it cannot be used, and nothing takes its place", async () => {
    for (const [text, reason] of [
      ["evaluator: { cedar: { folder: policy } }", /policy cannot be used: there is no such folder/],
      ["evaluator: { wasm: { file: policy.wasm, entrypoint: a } }", /policy\.wasm cannot be used: ENOENT/],
      ["evaluator: { opa: { url: 'http://127.0.0.1:1', path: a, tokenFile: token } }", /token cannot be used: ENOENT/],
      ["evaluator: builtin\nshadow: { cedar: { folder: policy } }", /policy cannot be used: there is no such folder/],
      ["evaluator: [builtin, { cedar: { folder: policy } }]", /policy cannot be used: there is no such folder/],
    ] as const) {
      write(text);
      await assert.rejects(open(), { code: "policy_unusable", message: reason });
    }
    rmSync(join(dataDir, "policy.yaml"));
    mkdirSync(join(dataDir, "policy.yaml"));
    await assert.rejects(open(), { code: "policy_unusable", message: /policy\.yaml cannot be used/ });
  });

  it("is the one that was meant, where its digest is named", async () => {
    const folder = useCedar();
    const { policyDigest } = await open();
    write(`evaluator: { cedar: { folder: policy, digest: "${policyDigest}" } }`);
    assert.equal((await open()).policyDigest, policyDigest);
    // An older one is another one.
    writeFileSync(join(folder, "default.cedar"), '@id("all") permit (principal, action, resource);');
    await assert.rejects(open(), {
      code: "policy_unusable",
      message: /its digest is sha256:\w+, and policy\.yaml asks for/,
    });
  });

  it("is read again when asked, and answers from then on", async () => {
    const folder = useCedar();
    const live = await open();
    const gate = openGate({ evaluator: live, newId: () => "d_0" });
    const before = await gate.decide(BASE, { at: 0 });
    assert.equal(before.allow, true);
    writeFileSync(
      join(folder, "freeze.cedar"),
      '@id("freeze") @why("Nothing starts before the audit is over.") forbid (principal, action == Maestro::Action::"run.start", resource);',
    );
    assert.equal((await gate.decide(BASE, { at: 0 })).allow, true, "nobody said that it is to be read");
    const change = await live.reload();
    assert.deepEqual([change.before, change.after, change.restart], [before.policyDigest, live.policyDigest, []]);
    const after = await gate.decide(BASE, { at: 0 });
    assert.deepEqual([after.allow, after.reasons], [false, ["Nothing starts before the audit is over."]]);
    assert.notEqual(after.policyDigest, before.policyDigest);
    rmSync(join(folder, "freeze.cedar"));
    await live.reload();
    assert.deepEqual([(await gate.decide(BASE, { at: 0 })).allow, live.policyDigest], [true, before.policyDigest]);
  });

  it("stays what it was where the new one cannot be used", async () => {
    const folder = useCedar();
    const live = await open();
    const { policyDigest } = live;
    for (const broken of [
      '@id("a") permit (',
      '@id("a") permit (principal, action, resource) when { principal.rank > 3 };',
      "",
    ]) {
      writeFileSync(join(folder, "default.cedar"), broken);
      await assert.rejects(live.reload(), { code: "policy_unusable" });
      assert.equal(live.policyDigest, policyDigest);
      assert.equal((await decideWith(live, BASE)).allow, true);
    }
    write("evaluator: { cedr: {} }");
    await assert.rejects(live.reload(), { code: "policy_unusable", message: /did you mean cedar/ });
    assert.equal((await decideWith(live, BASE)).allow, true);
  });

  it("changes engines too, and says what waits for a start", async () => {
    const live = await open();
    assert.equal(live.engine, "builtin@1");
    useCedar();
    assert.match((await live.reload()).engine, /^cedar@4/);
    write("evaluator: builtin\nenvironment: production\nbreakGlass: { longest: 5m }");
    assert.deepEqual((await live.reload()).restart, ["environment", "breakGlass"]);
    assert.equal(live.engine, "builtin@1");
  });

  it("answers a question that was under way by the policy that it was asked of", async () => {
    let arrived: (() => void) | undefined;
    let hold: (() => void) | undefined;
    const waiting = new Promise<void>((resolve) => (arrived = resolve));
    const pdp = await startPdp(async (_, response) => {
      arrived?.();
      await new Promise<void>((go) => (hold = go));
      json(response, { result: true });
    });
    write(`evaluator: { opa: { url: "${pdp.url}", path: a, timeoutMs: 10000 } }`);
    const live = await open();
    const decision = openGate({ evaluator: live, newId: () => "d_0" }).decide(BASE, { at: 0 });
    await waiting;
    write("evaluator: builtin");
    const reloaded = live.reload();
    hold?.();
    const { allow, engine } = await decision;
    assert.deepEqual([allow, engine], [true, `opa@${pdp.url}/v1/data/a`]);
    await reloaded;
    assert.equal(live.engine, "builtin@1");
    await pdp.close();
  });

  it("is found behind links, as mounted configuration is", async () => {
    useCedar();
    cpSync(join(dataDir, "policy"), join(dataDir, "..data"), { recursive: true });
    rmSync(join(dataDir, "policy"), { recursive: true });
    symlinkSync("..data", join(dataDir, "policy"));
    assert.equal((await decideWith(await open(), BASE)).allow, true);
  });
});
