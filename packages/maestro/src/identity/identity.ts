import { hash } from "node:crypto";
import type { JsonObject } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { SessionRow, SessionStore } from "../store/session.ts";
import type { Caller } from "./caller.ts";
import { ownerCaller } from "./caller.ts";
import { callerOf, keptClaims } from "./claims.ts";
import type { CompactToken } from "./compact.ts";
import { readCompact } from "./compact.ts";
import { LoginCodes } from "./login-codes.ts";
import { Provider } from "./provider.ts";
import { Refused } from "./refused.ts";
import { Sessions } from "./sessions.ts";
import { SettingsFile } from "./settings-file.ts";
import type { IdentitySettings, IssuerSettings, TokenType } from "./settings.ts";
import { IDENTITY_DEFAULTS } from "./settings.ts";

export interface IdentityParts {
  readonly dataDir: string;
  readonly store: SessionStore;
  /** The user of the data directory. */
  readonly owner: string;
  /** What the owner proves to be it with, elsewhere than on the control socket. */
  readonly ownerToken: () => Promise<OwnerToken>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Told what is wrong with identity.yaml, once for each state of the file. */
  readonly failed: (error: unknown) => void;
}

export interface OwnerToken {
  /** Whether the value of an `Authorization` header is `Bearer` and the token. */
  accepts(authorization: string | null): Promise<boolean>;
  /** Another one for each token, and nothing can be learnt of the token from it. */
  mark(): Promise<string>;
}

export interface Begun {
  readonly token: string;
  readonly session: SessionRow;
  readonly caller: Caller;
}

/** Who people and programs are, by identity providers, by sessions, and by the owner's own token. */
export class Identity {
  readonly sessions: Sessions;
  readonly #parts: IdentityParts;
  readonly #file: SettingsFile;
  readonly #codes: LoginCodes;
  #told: unknown;
  #known: IdentitySettings | undefined;
  #providers = new Map<string, Provider>();

  constructor(parts: IdentityParts) {
    this.#parts = parts;
    this.sessions = new Sessions(parts);
    this.#file = new SettingsFile(parts.dataDir, parts.now);
    this.#codes = new LoginCodes(parts.now, parts.randomBytes);
  }

  /** Errors: `identity_unusable`, without what is in the file: whoever asks may be a stranger. */
  async settings(): Promise<IdentitySettings> {
    try {
      return await this.#file.get();
    } catch (error) {
      if (error !== this.#told) this.#parts.failed(error);
      this.#told = error;
      throw new MaestroError(
        "identity_unusable",
        "The identity settings of this control plane cannot be used; its log and `maestro doctor` say why.",
        { cause: error },
      );
    }
  }

  /** Whoever holds an access token of a provider. Rejects with Refused, `identity_unusable`, `issuer_unreachable`. */
  async byAccessToken(text: string): Promise<Caller> {
    const token = readCompact(text);
    const { settings } = await this.#verified(token);
    if (settings.type !== "at+jwt")
      throw new Refused("wrong_type", "tokens of this issuer are exchanged for a session first: `maestro login`");
    return { ...callerOf(settings, token.claims), via: "oidc" };
  }

  /** Whoever holds the token of a session, with the roles that the settings give them now. Rejects as `byAccessToken`. */
  async bySession(text: string): Promise<Caller> {
    const session = await this.sessions.of(text);
    return { ...(await this.#holderOf(session)), via: "session", session: session.id };
  }

  /** Begins a session for the holder of a provider's token, once. Rejects as `byAccessToken`, and `limit_exceeded`. */
  async exchange(text: string, type: TokenType, label: string): Promise<Begun> {
    const token = readCompact(text);
    const { settings } = await this.#verified(token);
    const isAccess = type === "urn:ietf:params:oauth:token-type:access_token";
    // Under `JWT` providers give access tokens and others alike; what is meant for us, its audience says.
    if (settings.type === "at+jwt" && !isAccess) throw new Refused("wrong_type", "it is an access token");
    const who = callerOf(settings, token.claims);
    if (who.grants.length === 0) throw new Refused("no_role", `${who.id} has none`);
    const begun = await this.sessions.begin({
      subject: who.id,
      issuer: settings.name,
      claims: keptClaims(settings, token.claims),
      label,
      proof: proofOf(settings.issuer, token),
      lastsMs: settings.sessionMs,
    });
    return { ...begun, caller: { ...who, via: "session", session: begun.session.id } };
  }

  /** A code for a browser of the owner. Errors: `limit_exceeded`. */
  makeLoginCode(): { readonly code: string; readonly expiresAt: number } {
    return this.#codes.make();
  }

  /** Begins a session of the owner by a code. Rejects with Refused, `limit_exceeded`. */
  async byLoginCode(code: string, label: string): Promise<Begun> {
    const proof = this.#codes.take(code);
    const { owner } = this.#parts;
    const token = await this.#parts.ownerToken();
    const begun = await this.sessions.begin({
      subject: owner,
      issuer: null,
      claims: { token: await token.mark() },
      label,
      proof,
      lastsMs: IDENTITY_DEFAULTS.sessionMs,
    });
    return { ...begun, caller: { ...ownerCaller(owner, "token"), via: "session", session: begun.session.id } };
  }

  async #holderOf(session: SessionRow): Promise<Omit<Caller, "via">> {
    const { issuer, claims } = session;
    if (issuer === null) {
      const { owner, ownerToken } = this.#parts;
      // It was let in by who had the owner's token or more; when that is exchanged, somebody else may have had it.
      if (claims["token"] !== (await (await ownerToken()).mark()) || session.subject !== owner)
        throw new Refused("session_orphaned", "the owner's token was exchanged");
      return ownerCaller(owner, "token");
    }
    const settings = (await this.settings()).issuers.get(issuer);
    // Another provider under the same name knows other people by the same subject.
    if (settings === undefined || settings.issuer !== claims["iss"])
      throw new Refused("session_orphaned", `the issuer ${issuer} is not`);
    const who = callerOf(settings, claims);
    if (who.id !== session.subject) throw new Refused("session_orphaned", `${session.subject} is called otherwise now`);
    return who;
  }

  async #verified(token: CompactToken): Promise<{ readonly settings: IssuerSettings }> {
    const provider = await this.#providerOf(token.claims);
    await provider.verify(token);
    return provider;
  }

  async #providerOf({ iss }: JsonObject): Promise<Provider> {
    const settings = await this.settings();
    if (settings !== this.#known) {
      // A provider that is configured as before keeps the keys that it has.
      const old = this.#providers;
      this.#providers = new Map(
        [...settings.issuers.values()].map((one) => {
          const same = old.get(one.issuer);
          const isSame = same !== undefined && JSON.stringify(same.settings) === JSON.stringify(one);
          return [one.issuer, isSame ? same : new Provider(one, this.#parts)];
        }),
      );
      this.#known = settings;
    }
    if (this.#providers.size === 0) throw new Refused("no_issuer");
    const provider = typeof iss === "string" ? this.#providers.get(iss) : undefined;
    if (provider === undefined) throw new Refused("wrong_issuer");
    return provider;
  }
}

/** The token's own id where it has one (RFC 9068 wants it), else what was signed; never its spelling. */
function proofOf(issuer: string, { claims, digest }: CompactToken): string {
  const { jti } = claims;
  const own = typeof jti === "string" || isJsonObject(jti) ? JSON.stringify(jti) : digest;
  return hash("sha256", JSON.stringify([issuer, own]), "hex");
}
