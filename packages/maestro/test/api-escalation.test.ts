import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Caller } from "../src/identity/caller.ts";
import { receiver } from "./support/receiver.ts";
import type { Receiver } from "./support/receiver.ts";
import { callerIn, OURS, Tenants, THEIRS } from "./support/tenants.ts";

// What somebody with a role in one namespace tries, to have more than that role.

interface Run {
  readonly id: string;
  readonly status: string;
  readonly namespace: string;
}

const header = (namespace: string, name: string): string => `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: ${namespace}, name: ${name}, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
`;

describe("who has roles in one namespace", () => {
  let tenants: Tenants;
  before(async () => {
    tenants = await Tenants.open();
  });
  after(async () => tenants[Symbol.asyncDispose]());

  const call = async <T>(who: Caller, method: string, path: string, body?: object): Promise<T & { code?: string }> => {
    const response = await tenants.plane.handle(
      new Request(`http://maestro.local${path}`, {
        method,
        headers: { "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
      who,
    );
    return (await response.json()) as T & { code?: string };
  };
  const start = async (who: Caller, body: object): Promise<Run & { code?: string }> => {
    const { run, ...problem } = await call<{ readonly run?: Run }>(who, "POST", "/v1/runs", body);
    await tenants.plane.engine.idle();
    if (run === undefined) return problem as Run & { code?: string };
    return (await call<{ readonly run: Run }>(who, "GET", `/v1/runs/${run.id}`)).run;
  };
  const grants = (roles: Readonly<Record<string, readonly string[]>>): Caller => ({
    ...callerIn(OURS),
    grants: Object.entries(roles).map(([namespace, own]) => ({ namespace, roles: own })),
  });
  const childrenOf = async (who: Caller, parent: string): Promise<readonly Run[]> =>
    (await call<{ readonly runs: readonly Run[] }>(who, "GET", `/v1/runs?parent=${parent}`)).runs;

  describe("and starts a runbook that uses one of another namespace", () => {
    const manifest = `${header(OURS, "reach-over")}    child: { uses: "runbook:${THEIRS}/${THEIRS}-report@1.0.0" }\n`;

    it("has in there the roles that they have there, not those of where they began", async () => {
      const guest = grants({ [OURS]: ["operator"], [THEIRS]: ["viewer"] });
      const run = await start(guest, { manifest });
      const [child] = await childrenOf(guest, run.id);
      assert.deepEqual([run.status, child?.status, child?.namespace], ["failed", "denied", THEIRS]);
    });

    it("may where they may in both, by one grant or by two", async () => {
      for (const own of [{ [OURS]: ["operator"], [THEIRS]: ["operator"] }, { "*": ["operator"] }]) {
        const run = await start(grants(own), { manifest });
        assert.equal(run.status, "succeeded", JSON.stringify(own));
        const rerun = await call<{ readonly run: Run }>(grants(own), "POST", `/v1/runs/${run.id}/rerun`, {});
        await tenants.plane.engine.idle();
        const { run: again } = await call<{ readonly run: Run }>(grants(own), "GET", `/v1/runs/${rerun.run.id}`);
        assert.equal(again.status, "succeeded");
      }
    });

    it("has no more by running again what somebody else was allowed", async () => {
      const first = await start(grants({ "*": ["operator"] }), { manifest });
      const guest = grants({ [OURS]: ["operator"], [THEIRS]: ["viewer"] });
      const { run } = await call<{ readonly run: Run }>(guest, "POST", `/v1/runs/${first.id}/rerun`, {});
      await tenants.plane.engine.idle();
      assert.deepEqual(
        (await childrenOf(guest, run.id)).map(({ status }) => status),
        ["denied"],
      );
    });
  });

  describe("and runs tasks that read files and variables", () => {
    const operator = callerIn(OURS, ["operator"]);
    let hook: Receiver;
    before(async () => {
      hook = await receiver();
      // The owner's token is there from now on.
      await tenants.plane.authenticate();
    });
    after(async () => hook[Symbol.asyncDispose]());

    const told = async (token: string): Promise<Run> => {
      const webhook = `{ url: "${hook.url}", token: ${token} }`;
      const uses = `emit@1, with: { event: { type: x }, to: { webhook: ${webhook} }, allowPrivate: ["127.0.0.1"] }`;
      return start(operator, { manifest: `${header(OURS, "tell")}    tell: { uses: ${uses} }\n` });
    };
    const errorOf = async ({ id }: Run): Promise<string> =>
      (await call<{ readonly error: { readonly message: string } }>(operator, "GET", `/v1/runs/${id}`)).error.message;

    it("gets neither the owner's token nor anything else of the data directory as a credential", async () => {
      for (const file of [join(tenants.dir, "data", "token"), "../token", "../keys/../token"]) {
        const run = await told(`{ file: "${file}" }`);
        assert.equal(run.status, "failed", file);
        assert.match(await errorOf(run), /is in Maestro's own data directory, which no task may touch/);
      }
      assert.equal(hook.seen.length, 0);
    });

    it("gets no variable of the engine's own", async () => {
      process.env["MAESTRO_KEY_PASSPHRASE"] = "correct horse";
      try {
        const run = await told("{ env: MAESTRO_KEY_PASSPHRASE }");
        assert.equal(run.status, "failed");
        assert.match(await errorOf(run), /MAESTRO_KEY_PASSPHRASE is Maestro's own, which no task may read/);
      } finally {
        delete process.env["MAESTRO_KEY_PASSPHRASE"];
      }
      assert.equal(hook.seen.length, 0);
    });

    it("reads and writes nothing there by the path of an input, nor by a link to it", async () => {
      const link = join(tenants.dir, "link");
      await symlink(join(tenants.dir, "data"), link);
      for (const [path, uses] of [
        [
          join(link, "installation"),
          (file: string) => `validate@1, with: { path: "${file}", schema: {}, format: json }`,
        ],
        [
          join(link, "identity.yaml"),
          (file: string) => `emit@1, with: { event: { type: x }, to: { file: { path: "${file}" } } }`,
        ],
      ] as const) {
        const run = await start(operator, { manifest: `${header(OURS, "look")}    look: { uses: ${uses(path)} }\n` });
        assert.equal(run.status, "failed", run.code ?? "");
        assert.match(await errorOf(run), /is in Maestro's own data directory, which no task may touch/);
      }
      assert.equal(existsSync(join(tenants.dir, "data", "identity.yaml")), false);
    });
  });

  it("does not get by the key of a run what it may not start", async () => {
    const [operator, viewer] = [callerIn(OURS, ["operator"]), { ...callerIn(OURS, ["viewer"]), id: "idp:other" }];
    const body = { workflow: `${OURS}/${OURS}-report`, key: "nightly" };
    const first = await start(operator, body);
    assert.equal(first.status, "succeeded");
    const denied = await call<{ readonly detail: string }>(viewer, "POST", "/v1/runs", body);
    assert.equal(denied.code, "denied");
    assert.match(
      denied.detail,
      /run\.start on garden\/garden-report@1\.0\.0 is denied: user idp:other has no role here/,
    );
    // Of the colleague who may, it is the same run.
    const colleague = { ...operator, id: "idp:colleague" };
    for (const who of [operator, colleague]) assert.equal((await start(who, body)).id, first.id);
  });

  it("does not keep others from starting a run by using its key before them", async () => {
    const [operator, viewer] = [callerIn(OURS, ["operator"]), { ...callerIn(OURS, ["viewer"]), id: "idp:other" }];
    const body = { workflow: `${OURS}/${OURS}-report`, key: "squatted" };
    const denied = await start(viewer, body);
    assert.equal(denied.status, "denied");
    const run = await start(operator, body);
    assert.equal(run.status, "succeeded");
    assert.equal((await start(operator, body)).id, run.id);
    // At the same moment, too.
    const both = { ...body, key: "together" };
    const [first, second] = await Promise.all([
      call<{ readonly run: Run }>(viewer, "POST", "/v1/runs", both),
      call<{ readonly run: Run }>(operator, "POST", "/v1/runs", both),
    ]);
    assert.equal(first.run.status, "denied");
    assert.notEqual(second.run.status, "denied");
    await tenants.plane.engine.idle();
  });

  it("names no folder of the machine: neither where runbooks lie nor where a run begins", async () => {
    const somebody = callerIn("*");
    const manifest = `${header(OURS, "near")}    say: { uses: noop@1 }\n`;
    const notTheOwner = { ...somebody, grants: [{ namespace: "*", roles: ["admin", "operator", "author"] }] };
    for (const [path, body] of [
      ["/v1/plan", { manifest, folder: "/etc" }],
      ["/v1/workflows", { manifest, folder: tenants.dir }],
      ["/v1/runs", { manifest, folder: "/etc" }],
      ["/v1/runs", { manifest, base: "/etc/ssh" }],
      ["/v1/runs", { workflow: `${OURS}/${OURS}-report`, base: "/etc", dryRun: true }],
    ] as const) {
      const answer = await call<{ readonly detail: string }>(notTheOwner, "POST", path, body);
      assert.equal(answer.code, "denied", path);
      assert.match(
        answer.detail,
        /Only the owner of this control plane may name a folder of its machine: (folder|base)/,
      );
    }
    assert.equal((await start(somebody, { manifest, base: tenants.dir })).status, "succeeded");
  });
});
