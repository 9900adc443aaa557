import { HTTP_STATUS, MaestroError } from "../core/problem.ts";
import type { Caller } from "./caller.ts";
import { ownerCaller } from "./caller.ts";
import { isCompact } from "./compact.ts";
import { sessionOfCookie } from "./cookie.ts";
import type { Identity, OwnerToken } from "./identity.ts";
import type { Presented } from "./presented.ts";
import { Refused } from "./refused.ts";
import type { RefusalReason } from "./refused.ts";
import { problemOf } from "./refused-problem.ts";
import { isSessionToken } from "./sessions.ts";

export interface AuthenticatorParts<R> {
  readonly identity: Identity;
  readonly ownerToken: OwnerToken;
  readonly owner: string;
  /** Told of every request that proves nobody. */
  readonly refused: (reason: RefusalReason, request: R) => void;
}

/** Why a request is not let in. */
export interface NotAdmitted {
  readonly error: MaestroError;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const BEARER = /^Bearer +([^\s,]{1,8192})$/i;

/**
 * Who asks, by what a request from a network carries: the owner's token, a session's, or an access token of a provider; in
 * a browser, a session's cookie. Never rejects for what a sender can make wrong.
 */
export function authenticator<R extends Presented>(
  parts: AuthenticatorParts<R>,
): (request: R) => Promise<Caller | NotAdmitted> {
  return async (request) => {
    try {
      return await callerOf(parts, request);
    } catch (error) {
      if (error instanceof Refused) {
        parts.refused(error.reason, request);
        return notAdmitted(error);
      }
      if (!(error instanceof MaestroError)) throw error;
      if (error.code === "issuer_unreachable") parts.refused("issuer_unreachable", request);
      if (error.code === "identity_unusable") parts.refused("settings_unusable", request);
      return { error, status: HTTP_STATUS[error.class] };
    }
  };
}

async function callerOf<R>(
  { identity, ownerToken, owner }: AuthenticatorParts<R>,
  request: Presented,
): Promise<Caller> {
  const authorization = request.headers.get("authorization");
  if (authorization === null) {
    const session = sessionOfCookie(request);
    if (session === undefined) throw new Refused("no_credentials");
    return identity.bySession(session);
  }
  const token = BEARER.exec(authorization)?.[1] ?? "";
  if (isSessionToken(token)) return identity.bySession(token);
  if (isCompact(token)) return identity.byAccessToken(token);
  if (await ownerToken.accepts(authorization)) return ownerCaller(owner, "token");
  throw new Refused("unknown_token");
}

/** RFC 6750 3: no word about errors to whoever sent nothing. */
function notAdmitted(refused: Refused): NotAdmitted {
  const challenge = 'Bearer realm="maestro"';
  const why = `, error="invalid_token", error_description="${plain(refused.message)}"`;
  return {
    error: problemOf(refused),
    status: 401,
    headers: { "www-authenticate": refused.reason === "no_credentials" ? challenge : `${challenge}${why}` },
  };
}

/** The characters that RFC 6750 allows there. */
function plain(text: string): string {
  return text.replaceAll(/[^\u0020-\u007e]|["\\]/g, "'");
}
