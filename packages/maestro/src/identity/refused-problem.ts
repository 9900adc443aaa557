import { MaestroError } from "../core/problem.ts";
import type { Refused, RefusalReason } from "./refused.ts";

/** A refusal as its sender is told of it. */
export function problemOf(refused: Refused): MaestroError {
  const { reason, message } = refused;
  const options = { cause: refused, facts: { reason }, fix: fixOf(reason) };
  switch (reason) {
    case "no_credentials":
      return new MaestroError("unauthorized", "The request has no Authorization header with a token.", options);
    case "unknown_token":
      return new MaestroError("unauthorized", "The token in the Authorization header is not this server's.", options);
    case "no_role":
      return new MaestroError("denied", `Nobody comes in without a role: ${message}.`, options);
    case "code_spent":
      return new MaestroError("unauthorized", `The login link is not accepted: ${message}.`, options);
    default:
      return new MaestroError("unauthorized", `The token is not accepted: ${message}.`, options);
  }
}

function fixOf(reason: RefusalReason): string {
  switch (reason) {
    case "no_credentials":
      return "Send `Authorization: Bearer TOKEN`: a session's, which `maestro login` begins, or the owner's, which is in the file that `maestro up` names.";
    case "unknown_token":
    case "no_issuer":
      return "Send `Authorization: Bearer TOKEN`; the owner's token is in the file that `maestro up` names, and `maestro login` begins a session where an identity provider is configured.";
    case "no_role":
      return "Ask whoever keeps identity.yaml for a rule under `roles`; docs/guides/identity.md says how.";
    case "code_spent":
      return "Make a new link: `maestro login --link`.";
    case "session_unknown":
    case "session_expired":
    case "session_revoked":
    case "session_orphaned":
    case "expired":
    case "replayed":
      return "Log in again: `maestro login`.";
    default:
      return 'Compare the token with its issuer in identity.yaml: docs/guides/identity.md, "When somebody is refused".';
  }
}
