import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ROUTES } from "../src/api/routes.ts";
import { EVERY_NAMESPACE, ROLES } from "../src/identity/caller.ts";
import { builtinEvaluator } from "../src/policy/builtin.ts";
import { attempts, namesOf } from "./support/attempts.ts";
import { callerIn, manifestOf, OURS, strangerTo, Tenants } from "./support/tenants.ts";

// Each role asks every operation: it is denied where the policy denies it, and nowhere else.

/** Operations that ask for another action than their own, or whose request must be one that gets so far. */
const SPECIAL: Readonly<Record<string, { readonly action?: string; readonly body?: object }>> = {
  planWorkflow: { body: { manifest: manifestOf(OURS) } },
  // A session of nobody's is somebody else's.
  revokeSession: { action: "session.manage" },
  revokeSessions: { action: "session.manage" },
};

/** Of the first two the engine asks, and a run that is denied is an answer. The last is only for who has proved to be on this machine. */
const OTHERWISE = new Set(["startRun", "rerunRun", "makeLoginLink"]);

describe("the operations, by role", () => {
  let tenants: Tenants;
  before(async () => {
    tenants = await Tenants.open();
  });
  after(async () => tenants[Symbol.asyncDispose]());

  const policy = builtinEvaluator();
  const may = async (role: string, action: string): Promise<boolean> => {
    const { allow } = await policy.evaluate(
      {
        subject: { type: "user", id: "x", properties: { roles: ["member", role] } },
        action: { name: action },
        resource: { type: "namespace", id: OURS, properties: { namespace: OURS } },
        context: { purpose: "", authority: "", environment: "local" },
      },
      { at: 0, request: "" },
    );
    return allow;
  };

  for (const role of ROLES.filter((one) => one !== "member")) {
    it(`${role} may do what the policy says and nothing else`, async () => {
      const caller = callerIn(EVERY_NAMESPACE, [role]);
      const names = namesOf(OURS, { ...tenants.ours, plan: strangerTo(tenants.ours.plan) });
      for (const route of ROUTES) {
        if (route.access === null || OTHERWISE.has(route.operation)) continue;
        const [attempt] = attempts(route, names, names);
        const { action = route.access.action, body = attempt?.body ?? {} } = SPECIAL[route.operation] ?? {};
        const response = await tenants.plane.handle(
          new Request(`http://maestro.local${attempt?.path ?? route.path}`, {
            method: route.method,
            headers: { "content-type": "application/json" },
            ...(route.method === "GET" ? {} : { body: JSON.stringify(body) }),
          }),
          caller,
        );
        const type = response.headers.get("content-type") ?? "";
        const { code } = type.includes("problem") ? ((await response.json()) as { readonly code?: string }) : {};
        if (code === undefined) await response.body?.cancel();
        const where = `${role}: ${route.operation}: ${response.status} ${code ?? ""}`;
        if (await may(role, action)) assert.notEqual(code, "denied", where);
        // What cannot be read, or is not there, is refused before it is known what it is about.
        else
          assert.match(code ?? "", route.path.includes("{id}") ? /^not_found$/ : /^(denied|invalid_request)$/, where);
      }
    });
  }
});
