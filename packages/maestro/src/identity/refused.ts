/** Why a token, a session or a page was not taken for anybody: the label of a metric and the word in the log. */
export const REFUSALS = {
  no_credentials: "the request names nobody",
  malformed: "it is not of the form of a token",
  unknown_token: "it is no token of this control plane",
  no_issuer: "no identity provider is configured",
  wrong_issuer: "it is of another issuer than those that are configured",
  wrong_type: "its type is not the one its issuer's tokens have here",
  wrong_algorithm: "its algorithm is not one that is pinned for its issuer",
  forbidden_header: "its header brings keys or extensions of its own",
  unknown_key: "its issuer has no such key",
  bad_signature: "its signature is not its issuer's",
  wrong_audience: "it is meant for another audience",
  expired: "it has expired",
  not_yet_valid: "it is not valid yet",
  lives_too_long: "it is valid for longer than is allowed",
  bad_claims: "a claim is missing or is not of its form",
  not_required: "it does not have what this installation requires of its issuer's tokens",
  no_role: "no rule of identity.yaml gives its holder a role",
  replayed: "it was exchanged already",
  session_unknown: "there is no such session",
  session_expired: "the session has expired",
  session_revoked: "the session was revoked",
  session_orphaned: "what the session stands on is not configured any more",
  foreign_page: "a page of another origin sent the session's cookie",
  code_spent: "the code is unknown, was used or has expired",
  issuer_unreachable: "its issuer does not answer",
  settings_unusable: "identity.yaml cannot be read",
} as const satisfies Readonly<Record<string, string>>;

export type RefusalReason = keyof typeof REFUSALS;

/** A credential that proves nothing. The message is for its sender and holds nothing of it. */
export class Refused extends Error {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, detail?: string, cause?: unknown) {
    super(detail === undefined ? REFUSALS[reason] : `${REFUSALS[reason]}: ${detail}`, { cause });
    this.name = "Refused";
    this.reason = reason;
  }
}
