import assert from "node:assert/strict";
import { chmodSync, cpSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Place } from "./support/maestro.ts";
import { need } from "./support/need.ts";

// Programs that carry out tasks ask for their tokens by the SDK: those that stay are told the socket by the protocol, those
// behind walls by their environment.

const TYPESCRIPT = `import { defineTask, workloadToken } from "@summit/maestro-sdk";

export default defineTask({
  name: "whoami",
  version: 1,
  summary: "Says what its token says",
  effects: ["secret"],
  input: { type: "object", properties: { audience: { type: "string" } }, required: ["audience"] },
  output: {},
  example: { audience: "vault" },
  async execute({ input, token, requestId, attempt }) {
    const { token: text, expiresAt } = await token(input.audience);
    const { sub, aud, attempt: said, runner } = JSON.parse(Buffer.from(text.split(".")[1] ?? "", "base64url").toString());
    const isFresh = expiresAt > Date.now() + 200_000;
    const alone = process.env["MAESTRO_TOKEN_SOCKET"] !== undefined;
    if (alone) await workloadToken(input.audience);
    return { sub, aud, isFresh, sameAttempt: said === attempt, isolation: runner.isolation, alone, requestId: requestId ?? "" };
  },
});
`;

const PYTHON = `#!/usr/bin/env python3
import base64, json
from maestro_task import Context, serve, task

@task(name="whoami-py", version=1, summary="Says what its token says", effects=["secret"],
      input={"type": "object", "properties": {"audience": {"type": "string"}}, "required": ["audience"]}, output={}, example={"audience": "vault"})
def whoami(context: Context) -> dict:
    token = context.token(context.input["audience"])
    body = token.token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert token.token not in repr(token)
    return {"sub": claims["sub"], "requestId": context.request_id}

if __name__ == "__main__":
    serve(whoami)
`;

const manifest = (
  uses: string,
  { audience = "vault", identity = "identity: { audiences: [vault] }", sandbox = "none" },
) =>
  `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: who, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  budget: { wall: 5m }
  tasks:
    ask: { uses: ${uses}, with: { audience: ${audience} }, ${identity === "" ? "" : `${identity}, `}runner: { sandbox: ${sandbox} } }
  outputs: { it: "\${{ tasks.ask.output }}" }
`;

interface Outcome {
  readonly code: number | null;
  readonly it: Readonly<Record<string, unknown>>;
  readonly error: string;
}

describe("tokens for programs", () => {
  let place: Place;
  const ISSUER = { MAESTRO_ISSUER: "https://maestro.example", MAESTRO_REQUEST_ID: "req-9" };
  before(async () => {
    place = await Place.make({
      "whoami.ts": TYPESCRIPT,
      "whoami.py": PYTHON,
      "stays.yaml": manifest("whoami@1", {}),
      "strict.yaml": manifest("whoami@1", { sandbox: "strict" }),
      "other.yaml": manifest("whoami@1", { audience: "other" }),
      "none.yaml": manifest("whoami@1", { identity: "" }),
      "python.yaml": manifest("whoami-py@1", {}),
    });
    // In the sandbox of a root engine a command reads what everybody may read.
    chmodSync(place.dir, 0o755);
    chmodSync(join(place.dir, "whoami.py"), 0o755);
    cpSync(
      fileURLToPath(new URL("../../../sdks/python/maestro_task", import.meta.url)),
      join(place.dir, "maestro_task"),
      {
        recursive: true,
      },
    );
    const added = await place.run(["task", "add", "whoami.ts"]);
    assert.equal(added.code, 0, added.err);
  });
  after(() => place.remove());

  async function run(file: string, env: NodeJS.ProcessEnv = ISSUER): Promise<Outcome> {
    const { code, out, err } = await place.run(["run", file, "--purpose", "test", "--wait", "-o", "json"], { env });
    const { outputs } = JSON.parse(out) as { readonly outputs: { readonly it?: Outcome["it"] } | null };
    return { code, it: outputs?.it ?? {}, error: `${out}${err}` };
  }

  it("are given to one that stays, for each of its attempts", async () => {
    const { code, it: said, error } = await run("stays.yaml");
    assert.equal(code, 0, error);
    assert.deepEqual(said, {
      sub: "run:shop:who:env:local:task:ask",
      aud: "vault",
      isFresh: true,
      sameAttempt: true,
      isolation: "none",
      alone: false,
      requestId: "req-9",
    });
  });

  it("are given to one behind walls, by its environment", need("bwrap"), async () => {
    const { code, it: said, error } = await run("strict.yaml");
    assert.equal(code, 0, error);
    assert.deepEqual([said["alone"], said["isolation"], said["requestId"]], [true, "strict", "req-9"]);
  });

  it("are refused with the code TOKEN, and why", async () => {
    for (const [file, env, words] of [
      ["other.yaml", ISSUER, /TOKEN.*Task ask may have no token for .*other.*add others to `identity\.audiences`/s],
      ["none.yaml", ISSUER, /TOKEN.*this task may have no tokens; name the audience under `identity/s],
      ["stays.yaml", {}, /TOKEN.*Nobody could verify a token.*MAESTRO_ISSUER/s],
    ] as const) {
      const { code, error } = await run(file, env);
      assert.equal(code, 1, file);
      assert.match(error, words);
    }
  });

  it("are given to Python", need("python3"), async () => {
    const added = await place.run(["task", "add", "whoami.py"]);
    assert.equal(added.code, 0, added.err);
    const { code, it: said, error } = await run("python.yaml");
    assert.equal(code, 0, error);
    assert.deepEqual(said, { sub: "run:shop:who:env:local:task:ask", requestId: "req-9" });
  });
});
