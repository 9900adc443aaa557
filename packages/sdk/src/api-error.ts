import type { Json } from "./from-schema.ts";

/**
 * What went wrong with a request: the problem (RFC 9457) that the control plane answered, or `server_unreachable` where
 * nothing was answered. `code` stays the same from version to version; `docs/reference/errors.md` has them all.
 */
export class MaestroApiError extends Error {
  override readonly name = "MaestroApiError";
  readonly code: string;
  /** Of the answer; 0 where there was none. */
  readonly status: number;
  /** What to do next. */
  readonly fix: string;
  readonly facts: Readonly<Record<string, Json>>;
  /** Of the request, as logs and the audit of the control plane have it. */
  readonly requestId: string;
  /** When to come again, where the answer says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    message: string,
    said: Omit<Partial<MaestroApiError>, "name" | "message"> & { readonly cause?: unknown },
  ) {
    super(message, said.cause === undefined ? undefined : { cause: said.cause });
    this.code = said.code ?? "internal";
    this.status = said.status ?? 0;
    this.fix = said.fix ?? "";
    this.facts = said.facts ?? {};
    this.requestId = said.requestId ?? "";
    this.retryAfterSeconds = said.retryAfterSeconds;
  }
}

/** The error that an answer describes; of one that is no problem of Maestro's, as a proxy gives it, its status. */
export async function errorOf(response: Response): Promise<MaestroApiError> {
  const text = await response.text().catch(() => "");
  const problem = parsed(text);
  const { detail, code, fix, facts, requestId } = problem;
  const wait = Number(response.headers.get("retry-after"));
  return new MaestroApiError(
    typeof detail === "string" ? detail : `The control plane answered with HTTP status ${response.status}.`,
    {
      code: typeof code === "string" ? code : "unexpected_answer",
      status: response.status,
      ...(typeof fix === "string" ? { fix } : {}),
      ...(typeof facts === "object" && facts !== null && !Array.isArray(facts)
        ? { facts: facts as Readonly<Record<string, Json>> }
        : {}),
      requestId: typeof requestId === "string" ? requestId : (response.headers.get("x-request-id") ?? ""),
      ...(response.headers.has("retry-after") && Number.isFinite(wait) ? { retryAfterSeconds: wait } : {}),
    },
  );
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    // A proxy's page; its status says enough.
    return {};
  }
}
