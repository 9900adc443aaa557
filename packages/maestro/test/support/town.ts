import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Place } from "./maestro.ts";
import type { Ended, Started } from "./maestro.ts";
import { AUDIENCE, browse, CLIENT, OidcProvider } from "./oidc.ts";
import { Server } from "./server.ts";

const RUNBOOK = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: hello, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
    say: { uses: noop@1, with: { value: hello } }
`;

export const JOB = "repo:shop/app:ref:refs/heads/main";

/** `maestro up` beside two real identity providers, and people with a configuration each. */
export class Town {
  readonly company: OidcProvider;
  readonly ci: OidcProvider;
  readonly place: Place;
  server!: Server;

  private constructor(company: OidcProvider, ci: OidcProvider, place: Place) {
    this.company = company;
    this.ci = ci;
    this.place = place;
  }

  static async open(): Promise<Town> {
    const [company, ci] = await Promise.all([OidcProvider.start(), OidcProvider.start()]);
    const place = await Place.make({ "hello.yaml": RUNBOOK });
    const town = new Town(company, ci, place);
    await mkdir(join(place.dir, "data"), { mode: 0o700 });
    await town.configure(town.settings("operator"));
    // Tests ask again and again until settings that have changed are noticed.
    await place.configure("network.yaml", "network: { stranger: { perSecond: 1000000 } }\n");
    town.server = await Server.start(place, ["--log-level", "info"]);
    return town;
  }

  async close(): Promise<void> {
    await this.server.stop();
    await Promise.all([this.company.stop(), this.ci.stop()]);
    await this.place.remove();
  }

  settings(shopRoles: string): string {
    return `identity:
  issuers:
    company:
      issuer: ${this.company.issuer}
      audience: ${AUDIENCE}
      algorithms: [RS256]
      login: { clientId: ${CLIENT} }
      roles:
        - { claim: groups, is: shop, namespaces: [shop], roles: [${shopRoles}] }
        - { claim: groups, is: ops, namespaces: ["*"], roles: [admin] }
    ci:
      issuer: ${this.ci.issuer}
      audience: ${AUDIENCE}
      algorithms: [RS256]
      type: JWT
      callers: service
      session: 10m
  services:
    nightly:
      issuer: ci
      subject: ${JOB}
      roles: [{ namespaces: [shop], roles: [operator] }]
`;
  }

  async configure(text: string): Promise<void> {
    await writeFile(join(this.place.dir, "data/identity.yaml"), text, { mode: 0o600 });
  }

  start(who: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Started {
    const own = { XDG_CONFIG_HOME: join(this.place.dir, who), MAESTRO_DATA: "", MAESTRO_SERVER: this.server.url };
    return this.place.start(args, { ...own, ...more });
  }

  async run(who: string, args: readonly string[], more: NodeJS.ProcessEnv = {}, stdin = ""): Promise<Ended> {
    const started = this.start(who, args, more);
    started.child.stdin.end(stdin);
    return started.ended;
  }

  /** By a browser, as somebody in the groups that the name says: `anna+shop`. */
  async logIn(who: string, name: string, ...args: readonly string[]): Promise<Ended> {
    const started = this.start(who, ["login", ...args]);
    await browse(await addressOf(started), name);
    return started.ended;
  }

  /** The same, without a browser. */
  async comeIn(who: string, group: string): Promise<void> {
    const token = await this.company.sign({ sub: who, groups: [group] });
    const { code, err } = await this.run(who, ["login", "--exchange", "-"], {}, token);
    assert.equal(code, 0, err);
  }
}

/** The address that a command asks its user to open. */
export async function addressOf(started: Started): Promise<string> {
  await started.shows(/^ {2}http:\S+$/m);
  return /^ {2}(http:\S+)$/m.exec(started.err)?.[1] ?? "";
}

export function noTokenIn(...texts: readonly string[]): void {
  for (const text of texts) {
    assert.doesNotMatch(text, /maestro_s_[A-Za-z0-9_-]{10}/);
    assert.doesNotMatch(text, /eyJ[A-Za-z0-9_-]{10}/);
  }
}
