import { canonical } from "../core/canonical.ts";
import type { RunInput } from "../core/input.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { StartRequest } from "./engine.ts";
import type { Limits } from "./limits.ts";

/**
 * What comes from a caller must be JSON with sound texts and of a stated size, or it is refused before anything is
 * recorded: a history must be able to be stored, digested and sealed to its end. Errors: `invalid_request`, `payload_too_large`.
 */
export function checkRequest(request: StartRequest, limits: Limits): void {
  const { plan: _, inputs, priority = 0, ...rest } = request;
  checkSize("the inputs", byteLength("inputs", inputs), limits.inputBytes, "inputBytes");
  byteLength("the request", rest as unknown as JsonValue);
  if (!Number.isInteger(priority) || priority < -100 || priority > 100)
    throw new MaestroError("invalid_request", `priority is ${priority} and must be a whole number from -100 to 100`);
}

/** The same for what is handed to a run. */
export function checkInput(input: RunInput, limits: Limits): void {
  byteLength("the request", input as unknown as JsonValue);
  if (input.kind === "signal")
    checkSize("the payload of a signal", byteLength("the payload", input.payload), limits.signalBytes, "signalBytes");
}

function byteLength(what: string, value: JsonValue): number {
  try {
    return Buffer.byteLength(canonical(value));
  } catch (error) {
    throw new MaestroError("invalid_request", `${what}: ${messageOf(error)}`, {
      cause: error,
      fix: "Send JSON whose texts are whole Unicode.",
    });
  }
}

function checkSize(what: string, size: number, limit: number, name: string): void {
  if (size > limit)
    throw new MaestroError(
      "payload_too_large",
      `${what}: ${size} bytes of JSON, and the limit is ${limit} (limits.${name})`,
    );
}
