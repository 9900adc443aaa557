import { MaestroError, messageOf } from "../core/problem.ts";
import { loadIdentity } from "../identity/settings-file.ts";
import type { IssuerSettings } from "../identity/settings.ts";
import type { Finding, Patient } from "./finding.ts";

const CHECK = "identity";
/** A provider gets so long; there may be several, and somebody waits. */
const ASK_MS = 3_000;

/** Who may come in beside the owner, and whether every provider answers as it should. */
export async function identityChecks({ dataDir, now }: Patient): Promise<readonly Finding[]> {
  try {
    const { issuers } = await loadIdentity(dataDir);
    if (issuers.size === 0)
      return [
        {
          check: CHECK,
          status: "ok",
          detail: "no provider: only the owner comes in, by the socket, the token file or a login link",
        },
      ];
    return await Promise.all([...issuers.values()].map(async (one) => issuerCheck(one, now)));
  } catch (error) {
    return [
      {
        check: CHECK,
        status: "failed",
        detail: messageOf(error),
        fix: error instanceof MaestroError ? error.fix : "Mend identity.yaml.",
      },
    ];
  }
}

async function issuerCheck(settings: IssuerSettings, now: number): Promise<Finding> {
  const { name, issuer, roles, services } = settings;
  try {
    const { Provider } = await import("../identity/provider.ts");
    const { keys } = await new Provider(settings, { now: () => now, limits: { ms: ASK_MS } }).check();
    const rules = `${count(roles.length, "rule")}, ${count(services.length, "service")}`;
    if (keys > 0)
      return { check: CHECK, status: "ok", detail: `${name}: ${issuer} answers, with ${count(keys, "key")}; ${rules}` };
    return {
      check: CHECK,
      status: "failed",
      detail: `${name}: ${issuer} publishes no key that could be used`,
      fix: "Look at the provider: nobody comes in by it.",
    };
  } catch (error) {
    return {
      check: CHECK,
      status: "failed",
      detail: messageOf(error),
      fix: error instanceof MaestroError ? error.fix : "Look at the provider.",
    };
  }
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
