import { canonical } from "../core/canonical.ts";
import type { TaskError } from "../core/event.ts";
import { messageOf } from "../core/problem.ts";

/**
 * An error is in events, lists, receipts and messages to people, so it is small: as JSON, message and details together
 * are always less than what an event moves to the blob store, so that whoever reads the event has it.
 */
export const MAX_ERROR_CHARACTERS = 8192;
/** Of the canonical JSON of its details. Larger findings belong in the output or in artifacts. */
export const MAX_DETAILS_CHARACTERS = 12 * 1024;

/**
 * The error as a history keeps it, whatever reported it: text that is Unicode, and details that are JSON of a size. What
 * had to be left out is said in words.
 */
export function keepError({ code, message, final, details }: TaskError): {
  readonly error: TaskError;
  readonly leftOut?: string;
} {
  const error: TaskError = { code, message: shortened(message), ...(final === undefined ? {} : { final }) };
  if (details === undefined) return { error };
  let size: number;
  try {
    size = canonical(details).length;
  } catch (cause) {
    return { error, leftOut: `they are not JSON that can be kept (${shortened(messageOf(cause), 200)})` };
  }
  return size <= MAX_DETAILS_CHARACTERS
    ? { error: { ...error, details } }
    : { error, leftOut: `they have ${size} characters, and at most ${MAX_DETAILS_CHARACTERS} are kept` };
}

function shortened(text: string, most = MAX_ERROR_CHARACTERS): string {
  const short = text.length <= most ? text : `${text.slice(0, most - 1)}…`;
  // Control characters take six in JSON.
  return (JSON.stringify(short).length <= 2 * most ? short : `${short.slice(0, most / 3 - 1)}…`).toWellFormed();
}
