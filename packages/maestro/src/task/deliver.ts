import { BodyTooLarge, readBody } from "./http-body.ts";
import { exchange, explainExchange } from "./http-exchange.ts";
import type { Resolve } from "./http-admit.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

/** What a receiver says in return is looked at, not kept: so much of it is read. */
const MAX_ANSWER_BYTES = 64 * 1024;
const SHOWN_CHARACTERS = 300;

export interface Delivery {
  readonly url: URL;
  /** How the receiver is called in messages: a URL may be a secret. */
  readonly shown: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  readonly timeoutMs: number;
  readonly allowPrivate: readonly string[];
  /** Of the codes of failure: NOTIFY_UNREACHABLE, NOTIFY_REJECTED. */
  readonly codes: string;
}

export interface Delivered {
  readonly status: number;
  readonly text: string;
}

/**
 * Posts a message to a receiver that accepts it with any 2xx. Redirects are not followed: a signature is for the
 * receiver that was named. The receiver is told the trace. Fails with `…_UNREACHABLE` (worth a retry: nobody there, 408, 425, 429, 5xx), `…_REJECTED`
 * (final), TIMEOUT, TLS or BLOCKED_ADDRESS.
 */
export async function deliver(delivery: Delivery, resolve: Resolve, context: TaskContext): Promise<Delivered> {
  const { url, shown, headers, body, timeoutMs, allowPrivate } = delivery;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([context.signal, timeout]);
  try {
    const outgoing = {
      url,
      method: "POST",
      headers: { "user-agent": "maestro/1", ...context.trace, ...headers },
      body,
    } as const;
    return await exchange(outgoing, { resolve, allowPrivate, signal }, async (answer) => {
      const text = await said(answer.body, answer.headers["content-encoding"], signal);
      context.emit({ kind: "log", stream: "info", bytes: `POST ${shown} answered ${answer.status}\n` });
      if (answer.status >= 200 && answer.status < 300) return { status: answer.status, text };
      throw refusal(delivery, answer.status, text, answer.headers["retry-after"]);
    });
  } catch (thrown) {
    context.signal.throwIfAborted();
    if (timeout.aborted)
      throw new TaskFailure(
        {
          code: "TIMEOUT",
          message: `${shown} did not answer within ${timeoutMs} ms. It may have taken the message all the same. Raise \`timeoutMs\`, or see why it is slow.`,
        },
        { cause: thrown },
      );
    throw explainExchange(thrown, shown, `${delivery.codes}_UNREACHABLE`);
  }
}

/** An answer that is too long to read does not undo what the status says. */
async function said(
  body: Parameters<typeof readBody>[0],
  encoding: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  try {
    const bytes = await readBody(body, encoding, { maxBytes: MAX_ANSWER_BYTES, signal });
    return bytes
      .toString("utf8")
      .replaceAll(/[\p{C}\s]+/gu, " ")
      .trim()
      .slice(0, SHOWN_CHARACTERS)
      .toWellFormed();
  } catch (thrown) {
    if (thrown instanceof BodyTooLarge) return "";
    throw thrown;
  }
}

function refusal(delivery: Delivery, status: number, text: string, retryAfter: string | undefined): TaskFailure {
  const again = status >= 500 || [408, 425, 429].includes(status);
  const advice = again
    ? "It may take it later."
    : status === 410
      ? "The receiver is gone for good; take it out of the runbook."
      : status < 400
        ? "Redirects are not followed; give the address where it leads."
        : "Check its address, its key and what it expects.";
  return new TaskFailure({
    code: again ? `${delivery.codes}_UNREACHABLE` : `${delivery.codes}_REJECTED`,
    message: `${delivery.shown} answered ${status}.${text === "" ? "" : ` It said: ${text.replace(/[.!?]?$/, (end) => end || ".")}`} ${advice}`,
    details: { status, ...(retryAfter === undefined ? {} : { retryAfter }) },
    ...(again ? {} : { final: true }),
  });
}
