import { isLoopback } from "../api/listen-address.ts";
import { MaestroError, messageOf } from "../core/problem.ts";

const LIMITS = { ms: 15_000, bytes: 64 * 1024 } as const;

/** Whether this is a job that may ask its CI system who it is. */
export function isCiJob(env: NodeJS.ProcessEnv): boolean {
  return (env["ACTIONS_ID_TOKEN_REQUEST_URL"] ?? "") !== "" && (env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] ?? "") !== "";
}

/** A token that GitHub Actions gives the job, for this audience and no other. Errors: `issuer_unreachable`, `invalid_request`. */
export async function tokenOfCi(env: NodeJS.ProcessEnv, audience: string): Promise<string> {
  const url = URL.parse(env["ACTIONS_ID_TOKEN_REQUEST_URL"] ?? "");
  if (!isCiJob(env) || url === null)
    throw new MaestroError(
      "invalid_request",
      "This is no job of GitHub Actions that may ask for a token: ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN are not both set.",
      {
        fix: "Give the job `permissions: id-token: write`; of another CI system, hand its token over: `--exchange FILE`, or `--exchange -` for stdin.",
      },
    );
  // The job's own right to ask for tokens is in the request.
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname)))
    throw new MaestroError("invalid_request", `ACTIONS_ID_TOKEN_REQUEST_URL is ${url.origin}, which is not https.`);
  url.searchParams.set("audience", audience);
  try {
    const response = await fetch(url, {
      redirect: "error",
      signal: AbortSignal.timeout(LIMITS.ms),
      headers: { authorization: `Bearer ${env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] ?? ""}`, accept: "application/json" },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    const { value } = (text.length > LIMITS.bytes ? {} : JSON.parse(text)) as { readonly value?: unknown };
    if (typeof value !== "string") throw new Error("no token is in its answer");
    return value;
  } catch (error) {
    throw new MaestroError("issuer_unreachable", `GitHub Actions gave this job no token: ${messageOf(error)}.`, {
      cause: error,
      fix: "Try again; the job needs `permissions: id-token: write`.",
    });
  }
}
