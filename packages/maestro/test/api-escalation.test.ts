import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Caller } from "../src/identity/caller.ts";
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
});
