import { MaestroError } from "../core/problem.ts";
import { forgottenCookie } from "../identity/cookie.ts";
import type { Begun } from "../identity/identity.ts";
import type { Caller } from "../identity/caller.ts";
import { MAX_TOKEN_LENGTH, SESSION_LIMITS, TOKEN_TYPES } from "../identity/settings.ts";
import type { AuditTrail } from "../provenance/audit.ts";
import type { SessionRow } from "../store/session.ts";
import type { Access } from "./access.ts";
import { targetOf } from "./api-request.ts";
import type { ApiRequest } from "./api-request.ts";
import type { AppDeps } from "./app-deps.ts";
import { choice, integer, optional, text } from "./field.ts";
import { requestIdOf } from "./request-id.ts";
import { object } from "./respond.ts";
import { route } from "./route.ts";

const LABEL = text("Where from, in a few words; shown in lists of sessions.", { max: SESSION_LIMITS.labelLength });

export const exchangeToken = route({
  method: "POST",
  path: "/v1/token-exchange",
  operation: "exchangeToken",
  access: null,
  summary:
    "Exchanges a token of an identity provider for a session's, once; as RFC 8693 means it. What a token must be, the settings of its issuer say.",
  body: {
    grantType: optional(
      choice("For clients that say it.", ["urn:ietf:params:oauth:grant-type:token-exchange"] as const),
    ),
    subjectToken: text("The provider's token.", { max: MAX_TOKEN_LENGTH }),
    subjectTokenType: choice("What it is: an access token, or a JWT such as CI systems give their jobs.", TOKEN_TYPES),
    label: optional(LABEL),
  },
  answers: [
    {
      status: 201,
      type: "application/json",
      schema: "NewSession",
      description: "`token`, which is told here and never again, and until when it is good.",
    },
  ],
  async handle({ identity, audit }, { request, body }) {
    const begun = await (await identity()).exchange(body.subjectToken, body.subjectTokenType, body.label ?? "");
    await recordBegun(audit, begun, request, "token-exchange");
    return object("NewSession", newSession(begun), { status: 201 });
  },
});

/** Whose token it is is told to nobody before the audit has it. */
export async function recordBegun(
  audit: AuditTrail,
  { session, caller }: Begun,
  request: ApiRequest,
  by: "token-exchange" | "login-link",
): Promise<void> {
  const { issuer, label, expiresAt } = session;
  await audit.write({
    kind: "security",
    actor: { type: caller.type, id: caller.id },
    action: "session.begin",
    resource: { type: "session", id: session.id },
    namespace: null,
    allow: true,
    request: requestIdOf(request),
    detail: { by, issuer, label, expiresAt },
  });
}

/** As RFC 8693 answers, in the API's spelling. */
function newSession({ token, session, caller }: Begun): object {
  return {
    token,
    tokenType: "Bearer",
    issuedTokenType: "urn:ietf:params:oauth:token-type:access_token",
    expiresAt: session.expiresAt,
    session: sessionView(session),
    caller: callerView(caller),
  };
}

export const whoAmI = route({
  method: "GET",
  path: "/v1/whoami",
  operation: "whoAmI",
  access: { action: "session.own", as: "read" },
  summary: "Who asks, with the roles of each namespace, and by which session.",
  answers: [
    { status: 200, type: "application/json", schema: "WhoAmI", description: "`caller`, and `session` or null." },
  ],
  async handle({ store }, { access }) {
    await access.onInstallation();
    const { session } = access.caller;
    const row = session === undefined ? undefined : await store.sessions.get(session);
    return object("WhoAmI", {
      caller: callerView(access.caller),
      session: row === undefined ? null : sessionView(row),
    });
  },
});

export const listSessions = route({
  method: "GET",
  path: "/v1/sessions",
  operation: "listSessions",
  access: { action: "session.own", as: "read" },
  summary: "Sessions, newest first: the caller's own, or for whoever may manage sessions those of others.",
  query: {
    of: optional(text("A caller's id, or `*` for everybody; default: the caller's own.", { max: 320 })),
    ended: optional(integer("1: also those that are over.", { min: 0, max: 1 })),
    limit: optional(integer("Default 100.", { min: 1, max: 1000 })),
    before: optional(text("Only those that began before the session of this id.", { max: 64 })),
  },
  answers: [{ status: 200, type: "application/json", schema: "SessionList", description: "`sessions`." }],
  async handle({ store, now }, { query, access }) {
    const of = query.of ?? access.caller.id;
    await mayHandle(access, of);
    const sessions = await store.sessions.list({
      limit: query.limit ?? 100,
      ...(of === "*" ? {} : { subject: of }),
      ...(query.ended === 1 ? {} : { goodAt: now() }),
      ...(query.before === undefined ? {} : { before: query.before }),
    });
    return object("SessionList", { sessions: sessions.map(sessionView) });
  },
});

export const revokeSession = route({
  method: "POST",
  path: "/v1/sessions/{session}/revoke",
  operation: "revokeSession",
  access: { action: "session.own", as: "change" },
  summary:
    "Ends a session at once and for good: one of the caller's own, or for whoever may manage sessions anybody's.",
  body: {},
  answers: [{ status: 200, type: "application/json", schema: "RevokedSessions", description: "`revoked`: ids." }],
  async handle(deps, { params, access }) {
    const row = await deps.store.sessions.get(params.session);
    // Whoever may not manage sessions does not learn which there are.
    await mayHandle(access, row?.subject ?? "*");
    if (row === undefined)
      throw new MaestroError("not_found", `There is no session ${params.session.slice(0, 64)}.`, {
        fix: "List them: `maestro session list`, with --all those of everybody.",
      });
    return object("RevokedSessions", { revoked: await revoke(deps, access, [row.id]) });
  },
});

export const revokeSessions = route({
  method: "POST",
  path: "/v1/sessions/revoke",
  operation: "revokeSessions",
  access: { action: "session.own", as: "change" },
  summary: "Ends all sessions of a caller at once.",
  body: { of: text("The caller's id.", { max: 320 }) },
  answers: [{ status: 200, type: "application/json", schema: "RevokedSessions", description: "`revoked`: ids." }],
  async handle(deps, { body, access }) {
    await mayHandle(access, body.of);
    const good = await deps.store.sessions.list({
      subject: body.of,
      goodAt: deps.now(),
      limit: SESSION_LIMITS.perSubject,
    });
    const ids = good.map(({ id }) => id);
    return object("RevokedSessions", { revoked: await revoke(deps, access, ids) });
  },
});

export const logOut = route({
  method: "POST",
  path: "/v1/logout",
  operation: "logOut",
  access: { action: "session.own", as: "change" },
  summary: "Ends the session that the request was made by.",
  body: {},
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "RevokedSessions",
      description: "`revoked`: its id; empty where the request was made by something else.",
    },
  ],
  async handle(deps, { request, access }) {
    await access.onInstallation();
    const { session } = access.caller;
    const revoked = session === undefined ? [] : await revoke(deps, access, [session]);
    return object("RevokedSessions", { revoked }, { headers: { "set-cookie": forgottenCookie(targetOf(request)) } });
  },
});

/** Errors: `denied`. */
async function mayHandle(access: Access, subject: string): Promise<void> {
  if (subject === access.caller.id) await access.onInstallation();
  else await access.on({ type: "subject", id: subject, namespace: "*" }, "session.manage");
}

async function revoke({ store, now }: AppDeps, access: Access, ids: readonly string[]): Promise<readonly string[]> {
  return store.sessions.revoke(ids, { at: now(), by: access.by });
}

/** Neither its token nor what is kept of it. */
export function sessionView({ digest: _digest, proof: _proof, claims: _claims, ...shown }: SessionRow): object {
  return shown;
}

function callerView({ type, id, via, grants, properties }: Caller): object {
  return { type, id, via, grants, properties };
}
