import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Caller } from "../../src/identity/caller.ts";
import { ROLES } from "../../src/identity/caller.ts";
import { openControlPlane } from "../../src/serve.ts";
import type { ControlPlane } from "../../src/serve.ts";

/** The namespace that a caller has every role in, and the one that is not there for them. */
export const OURS = "garden";
export const THEIRS = "zebra";

/** What one namespace has, by what a path or a query can name. Everything in it has the namespace in its words. */
export interface Tenant {
  /** A run that has ended, with a receipt, a log and an artifact. */
  readonly run: string;
  /** A run that waits for a person. */
  readonly waiting: string;
  readonly approval: string;
  readonly hold: string;
  /** What the gate said to the run that has ended. */
  readonly decision: string;
  readonly artifact: string;
  readonly receiptDigest: string;
  /** Of the plan. */
  readonly plan: string;
  readonly workflow: string;
}

export function manifestOf(namespace: string): string {
  return `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: ${namespace}, name: ${namespace}-report, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  inputs: { ask: { type: boolean, default: false } }
  tasks:
    ${namespace}_say:
      uses: exec@1
      runner: { sandbox: none }
      with: { argv: [sh, -c, "echo ${namespace} spoke; echo ${namespace} wrote > ${namespace}.txt"] }
      artifacts: [${namespace}.txt]
    ${namespace}_ask:
      uses: approval@1
      needs: [${namespace}_say]
      when: inputs.ask
      with: { message: "${namespace}?", roles: [approver] }
`;
}

/** A control plane with two namespaces that have the same of everything. */
export class Tenants implements AsyncDisposable {
  readonly dir: string;
  readonly plane: ControlPlane;
  readonly ours: Tenant;
  readonly theirs: Tenant;

  private constructor(dir: string, plane: ControlPlane, ours: Tenant, theirs: Tenant) {
    this.dir = dir;
    this.plane = plane;
    this.ours = ours;
    this.theirs = theirs;
  }

  static async open(): Promise<Tenants> {
    const dir = await mkdtemp(join(tmpdir(), "maestro-tenants-"));
    await mkdir(join(dir, "data"));
    await writeFile(
      join(dir, "data", "retention.yaml"),
      `retention: { namespaces: { ${OURS}: { logs: 8d }, ${THEIRS}: { logs: 9d } } }\n`,
    );
    const plane = await openControlPlane({ dataDir: join(dir, "data"), log: () => undefined });
    const theirs = await settle(plane, THEIRS);
    return new Tenants(dir, plane, await settle(plane, OURS), theirs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.plane.close();
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Who has these roles in one namespace and none elsewhere; by default every role. */
export function callerIn(
  namespace: string,
  roles: readonly string[] = ROLES.filter((one) => one !== "member"),
): Caller {
  return { type: "user", id: "idp:someone", grants: [{ namespace, roles }], properties: {}, via: "oidc" };
}

/** An id that nothing has, of the shape of one that something has. */
export function strangerTo(id: string): string {
  const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  const other = (length: number): string => [...randomBytes(length)].map((byte) => alphabet.charAt(byte & 31)).join("");
  const hex = /^sha256:[0-9a-f]{64}$/.test(id);
  return hex
    ? `sha256:${randomBytes(32).toString("hex")}`
    : id.replace(/[0-9a-hjkmnp-tv-z]+$/, (tail) => other(tail.length));
}

async function settle(plane: ControlPlane, namespace: string): Promise<Tenant> {
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await plane.asOwner(
      new Request(`http://maestro.local${path}`, {
        method,
        headers: { "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return (await response.json()) as T;
  };
  interface Run {
    readonly run: { readonly id: string; readonly planDigest: string; readonly status: string };
  }
  await call("POST", "/v1/workflows", { manifest: manifestOf(namespace) });
  const start = async (ask: boolean): Promise<Run["run"]> => {
    const named = { workflow: `${namespace}/${namespace}-report`, name: `${namespace} run`, labels: { of: namespace } };
    return (await call<Run>("POST", "/v1/runs", { ...named, inputs: { ask } })).run;
  };
  const [done, waiting] = [await start(false), await start(true)];
  await plane.engine.idle();
  const { artifacts } = await call<{ readonly artifacts: readonly { readonly digest: string }[] }>(
    "GET",
    `/v1/runs/${done.id}/artifacts`,
  );
  const { receipts } = await call<{ readonly receipts: readonly { readonly digest: string }[] }>(
    "GET",
    `/v1/runs/${done.id}`,
  );
  const { approvals } = await call<{ readonly approvals: readonly { readonly id: string }[] }>(
    "GET",
    `/v1/approvals?run=${waiting.id}`,
  );
  const { events } = await call<{ readonly events: readonly { readonly decision?: { readonly id: string } }[] }>(
    "GET",
    `/v1/runs/${done.id}/events`,
  );
  const { hold } = await call<{ readonly hold: { readonly id: string } }>("POST", "/v1/holds", {
    run: done.id,
    reason: `${namespace} matters`,
  });
  const first = <T>(list: readonly T[]): T => {
    const [one] = list;
    if (one === undefined) throw new Error(`${namespace} lacks something`);
    return one;
  };
  return {
    run: done.id,
    waiting: waiting.id,
    approval: first(approvals).id,
    hold: hold.id,
    decision: first(events.flatMap(({ decision }) => (decision === undefined ? [] : [decision]))).id,
    artifact: first(artifacts).digest,
    receiptDigest: first(receipts).digest,
    plan: done.planDigest,
    workflow: `${namespace}-report`,
  };
}
