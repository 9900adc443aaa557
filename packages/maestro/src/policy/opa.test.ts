import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { needOpa, opa, startOpa } from "../../test/support/opa.ts";
import type { OpaServer } from "../../test/support/opa.ts";
import { sha256 } from "../core/digest.ts";
import { BASE, DEFAULT_POLICY, policyCases } from "./contract-cases.ts";
import { decideWith, evaluatorContract } from "./contract.ts";
import type { Evaluator } from "./evaluator.ts";
import { UNKNOWN_POLICY } from "./evaluator.ts";
import { opaEvaluator } from "./opa.ts";
import { wasmEvaluator } from "./rego-wasm.ts";

const REGO = join(DEFAULT_POLICY, "rego");
const PATH = "maestro/authz/decision";

/** Patient: how fast an answer comes is tested elsewhere. */
const open = (url: string, path = PATH): Evaluator => opaEvaluator({ url, path, timeoutMs: 10_000 }, () => 0);

const dirs: string[] = [];
after(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});
function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "maestro-rego-"));
  dirs.push(dir);
  return dir;
}

evaluatorContract(
  "an OPA server",
  async () => {
    const server = await startOpa([join(REGO, "authz.rego"), join(REGO, "data.json")]);
    const evaluator = open(server.url);
    return {
      evaluator,
      async close() {
        await evaluator.close?.();
        await server.close();
      },
    };
  },
  needOpa(),
);

it("has the compiled policy that belongs to the sources: SHA256SUMS", () => {
  for (const line of readFileSync(join(DEFAULT_POLICY, "SHA256SUMS"), "utf8").trim().split("\n")) {
    const [digest, path] = line.split(/ +/);
    assert.equal(
      sha256(readFileSync(join(DEFAULT_POLICY, path!))),
      `sha256:${digest}`,
      `${path}: node scripts/compile-policy.ts`,
    );
  }
});

it("compiles to the same bytes again", needOpa(), () => {
  const dir = folder();
  opa(["build", "-t", "wasm", "-e", PATH, "-o", join(dir, "bundle.tar.gz"), "authz.rego"], REGO);
  assert.equal(sha256(memberOf(join(dir, "bundle.tar.gz"))), sha256(readFileSync(join(REGO, "policy.wasm"))));
});

describe("an OPA server", needOpa(), () => {
  let server: OpaServer;
  const source = readFileSync(join(REGO, "authz.rego"), "utf8");
  before(async () => {
    server = await startOpa([join(REGO, "data.json")]);
    await put(server.url, source);
  });
  after(async () => server.close());

  it("without bundles does not say which policy it has, and nothing is remembered", async () => {
    const evaluator = open(server.url);
    assert.equal(evaluator.repeatable, false);
    const { allow, policyDigest } = await decideWith(evaluator, BASE);
    assert.deepEqual([allow, policyDigest], [true, UNKNOWN_POLICY]);
    await evaluator.close?.();
  });

  it("denies where the rule is undefined, or is no decision", async () => {
    const said = async (path: string): Promise<string> => {
      const evaluator = open(server.url, path);
      const { allow, reasons } = await decideWith(evaluator, BASE);
      await evaluator.close?.();
      return `${allow ? "allowed" : "denied"}: ${reasons.join("; ")}`;
    };
    assert.equal(await said("maestro/authz/nothing"), "denied: the policy is undefined for this request");
    assert.equal(
      await said("maestro/authz/reasons"),
      "denied: the answer is neither a boolean nor an object with `allow`",
    );
    assert.match(await said("maestro/authz/allow"), /^allowed/, "a boolean is enough");
  });

  it("loses an answer to a case with each rule that is left out", async () => {
    const evaluator = open(server.url);
    try {
      for (const text of rulesOf(source)) {
        const [rule = ""] = text.split("\n");
        // What other rules refer to has to be there.
        await put(
          server.url,
          source.replace(text, text.startsWith("purpose_declared") ? "purpose_declared if false" : ""),
        );
        let caught = false;
        for (const { request, allow } of policyCases())
          if ((await decideWith(evaluator, request)).allow !== allow) {
            caught = true;
            break;
          }
        assert.ok(caught, `no case needs ${rule}`);
      }
    } finally {
      await put(server.url, source);
      await evaluator.close?.();
    }
    assert.equal((await decideWith(open(server.url), BASE)).allow, true);
  });
});

it("names the revision of the bundle that an OPA server decided by", needOpa(), async () => {
  const dir = folder();
  const digests: string[] = [];
  for (const revision of ["one", "two", "two"]) {
    opa(["build", "-b", "--revision", revision, "-o", join(dir, `${revision}.tar.gz`), "."], REGO);
    const server = await startOpa(["-b", join(dir, `${revision}.tar.gz`)]);
    const evaluator = open(server.url);
    const { allow, policyDigest } = await decideWith(evaluator, BASE);
    assert.equal(allow, true);
    digests.push(policyDigest ?? "");
    await evaluator.close?.();
    await server.close();
  }
  const [one, two, again] = digests;
  assert.notEqual(one, UNKNOWN_POLICY);
  assert.notEqual(one, two);
  assert.equal(two, again);
});

describe("compiled Rego", needOpa(), () => {
  const compile = (rego: string, entrypoint = "test/decision"): string => {
    const dir = folder();
    writeFileSync(join(dir, "policy.rego"), rego);
    opa(["build", "-t", "wasm", "-e", entrypoint, "-o", "bundle.tar.gz", "policy.rego"], dir);
    writeFileSync(join(dir, "policy.wasm"), memberOf(join(dir, "bundle.tar.gz")));
    return join(dir, "policy.wasm");
  };
  const load = async (rego: string): Promise<Evaluator> =>
    wasmEvaluator({ file: compile(`package test\n${rego}`), entrypoint: "test/decision" });

  it("is refused where it needs what is not here", async () => {
    await assert.rejects(
      load('decision if http.send({"method": "get", "url": "http://127.0.0.1:1"}).status_code == 200'),
      /it uses http\.send, which there is none of here; ask an OPA server instead/,
    );
    await assert.rejects(load("decision if time.now_ns() > 0"), /it uses time\.now_ns/);
    await assert.rejects(load('decision if count(regex.split("a+", input.action.name)) > 0'), /it uses regex\.split/);
  });

  it("is refused where the rule that decides is not in it", async () => {
    const file = compile("package test\ndecision := true");
    await assert.rejects(
      wasmEvaluator({ file, entrypoint: "test/other" }),
      /has no entrypoint test\/other; it has test\/decision/,
    );
  });

  it("denies what it leaves undefined, and what is no decision", async () => {
    const said = async (rego: string): Promise<string> => {
      const { allow, reasons } = await decideWith(await load(rego), BASE);
      return `${allow ? "allowed" : "denied"}: ${reasons.join("; ")}`;
    };
    assert.equal(
      await said('decision if input.action.name == "x"'),
      "denied: the policy is undefined for this request",
    );
    assert.match(await said('decision := "yes"'), /^denied: the answer is neither/);
    assert.match(await said('decision := {"allow": "true"}'), /^denied: the answer has no boolean `allow`/);
    assert.match(
      await said('decision := {"allow": true, "obligations": "none"}'),
      /^denied: `obligations` is not a list/,
    );
    assert.match(
      await said('decision := {"allow": true, "reasons": [1]}'),
      /^denied: `reasons` is not a list of texts/,
    );
    assert.match(await said("decision := false"), /^denied: the policy does not allow run\.start/);
    assert.equal(await said("decision := true"), "allowed: ");
  });

  it("goes on after a request that broke it", async () => {
    // Two values for one rule: an error of evaluation, after which its memory is that of an unfinished answer.
    const evaluator = await load(
      'decision := true if input.context.purpose != ""\ndecision := false if input.context.purpose == "broken"',
    );
    const broken = { ...BASE, context: { ...BASE.context, purpose: "broken" } };
    assert.equal((await decideWith(evaluator, broken)).allow, false);
    assert.equal((await decideWith(evaluator, BASE)).allow, true);
    assert.equal((await decideWith(evaluator, broken)).allow, false);
    assert.equal((await decideWith(evaluator, BASE)).allow, true);
  });

  it("takes large requests in between, and refuses those beyond its limit", async () => {
    const evaluator = await load('decision := {"allow": true, "reasons": [input.context.authority]}');
    const sized = (bytes: number): typeof BASE => ({
      ...BASE,
      context: { ...BASE.context, environment: "x".repeat(bytes) },
    });
    for (const bytes of [1_000_000, 10, 500_000, 0])
      assert.equal((await decideWith(evaluator, sized(bytes))).allow, true);
    const { allow, reasons } = await decideWith(evaluator, sized(2_000_000));
    assert.deepEqual([allow, reasons], [false, ["the request has more than 1048576 bytes"]]);
  });

  it("has another digest with other data", async () => {
    const dir = folder();
    const file = join(REGO, "policy.wasm");
    const digests: string[] = [];
    for (const roles of [{ a: ["run.read"] }, { a: ["run.start"] }]) {
      writeFileSync(join(dir, "data.json"), JSON.stringify({ maestro: { roles } }));
      digests.push((await wasmEvaluator({ file, entrypoint: PATH, data: join(dir, "data.json") })).policyDigest);
    }
    assert.notEqual(digests[0], digests[1]);
  });
});

/** The rules that permit, forbid or excuse. */
function rulesOf(source: string): readonly string[] {
  const rules = source
    .split("\n\n")
    .filter((text) => /^(?:permits|forbids|purpose_declared|authority_given)/.test(text));
  assert.equal(rules.length, 7);
  return rules;
}

/** `policy.wasm` of a bundle. */
function memberOf(bundle: string): Buffer {
  const dir = folder();
  const { status } = spawnSync("tar", ["-xzf", bundle, "-C", dir, "--strip-components=0", "/policy.wasm"]);
  assert.equal(status, 0);
  return readFileSync(join(dir, "policy.wasm"));
}

async function put(url: string, source: string): Promise<void> {
  const response = await fetch(`${url}/v1/policies/authz`, {
    method: "PUT",
    body: source,
  });
  assert.equal(response.status, 200, await response.text());
}
