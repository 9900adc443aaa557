import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Caller } from "../../src/identity/caller.ts";
import { ownerCaller } from "../../src/identity/caller.ts";
import { openControlPlane } from "../../src/serve.ts";
import type { ControlPlane } from "../../src/serve.ts";

const CEDAR = fileURLToPath(new URL("../../policies/default/cedar", import.meta.url));

/** The one rule of this policy beside the default ones. */
export const FREEZE = `@id("freeze") @why("Nothing starts this week.") @fix("Wait until Monday.")
forbid (principal, action == Maestro::Action::"run.start", resource);
`;
const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: orders, version: 1.0.0 }
spec:
  type: demo
  purposes: [reporting]
  inputs: { card: { type: string, default: "card-4111-secret" } }
  tasks:
    go: { uses: noop@1, with: { value: "\${{ inputs.card }}" } }
`;

export interface Explained {
  readonly decision: string;
  readonly sentence: string;
  readonly allow: boolean;
  readonly mode: string;
  readonly advice?: string;
  readonly rules: readonly { readonly id: string; readonly why?: string; readonly fix?: string }[];
  readonly facts: readonly { readonly name: string; readonly value: unknown }[];
  readonly shadow: readonly { readonly allow: boolean }[];
}

export function caller(id: string, roles: readonly string[], properties: Caller["properties"] = {}): Caller {
  return { type: "user", id, grants: [{ namespace: "shop", roles }], properties, via: "oidc" };
}

export const owner = ownerCaller("owner", "token");
export const anna = caller("idp:anna", ["operator"]);
export const vera = caller("idp:vera", ["viewer"]);
export const adam = caller("idp:adam", ["admin"]);

/** The default policy in Cedar as the files of a request. */
export const folder = (...extra: readonly (readonly [string, string])[]): object[] => [
  ...readdirSync(CEDAR).map((name) => ({ name, base64: readFileSync(join(CEDAR, name)).toString("base64") })),
  ...extra.map(([name, text]) => ({ name, base64: Buffer.from(text).toString("base64") })),
];

export interface Called<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** A control plane whose policy is the default one in Cedar, and files of one's own. */
export class PolicyPlane {
  readonly dir: string;
  /** What its log says. */
  readonly lines: string[] = [];
  #plane: ControlPlane | undefined;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async make(): Promise<PolicyPlane> {
    const bench = new PolicyPlane(await mkdtemp(join(tmpdir(), "maestro-policy-")));
    mkdirSync(join(bench.dir, "data"));
    return bench;
  }

  get plane(): ControlPlane {
    assert.ok(this.#plane !== undefined, "it is open");
    return this.#plane;
  }

  async open(policy?: string, more: Readonly<Record<string, string>> = {}): Promise<void> {
    const data = join(this.dir, "data");
    cpSync(CEDAR, join(data, "policy"), { recursive: true });
    for (const [name, text] of Object.entries(more)) writeFileSync(join(data, name), text);
    if (policy !== undefined) writeFileSync(join(data, "policy.yaml"), policy);
    this.#plane = await openControlPlane({
      dataDir: data,
      log: (level, message, fields) => this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`),
    });
  }

  async call<T = Readonly<Record<string, unknown>>>(
    who: Caller,
    method: string,
    path: string,
    body?: object,
  ): Promise<Called<T>> {
    const response = await this.plane.handle(
      new Request(`http://maestro.local${path}`, {
        method,
        headers: { "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
      who,
    );
    return { status: response.status, headers: response.headers, body: (await response.json()) as T };
  }

  /** A run until its end. */
  async start(who: Caller, purpose = "reporting"): Promise<{ readonly id: string; readonly status: string }> {
    const { body } = await this.call<{ readonly run?: { readonly id: string } }>(who, "POST", "/v1/runs", {
      manifest: MANIFEST,
      purpose,
    });
    const id = body.run?.id ?? "";
    assert.notEqual(id, "", JSON.stringify(body));
    const events = await this.plane.asOwner(
      new Request(`http://maestro.local/v1/runs/${id}/events`, { headers: { accept: "text/event-stream" } }),
    );
    await events.text();
    const shown = await this.call<{ readonly run: { readonly status: string } }>(owner, "GET", `/v1/runs/${id}`);
    return { id, status: shown.body.run.status };
  }

  async close(): Promise<void> {
    await this.#plane?.close();
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
