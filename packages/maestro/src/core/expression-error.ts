import type { CelError } from "@bufbuild/cel";
import { LimitExceeded, type Miss } from "./meter.ts";
import type { Scope } from "./scope.ts";
import { suggest } from "./suggest.ts";

/** Why an expression cannot be compiled or evaluated. */
export class ExpressionError extends Error {
  readonly source: string;
  /** Into `source`, in UTF-16 units. */
  readonly offset: number;
  /** The name that was probably meant. */
  readonly suggestion: string | undefined;

  constructor(
    message: string,
    at: {
      readonly source: string;
      readonly offset: number;
      readonly suggestion?: string | undefined;
      readonly cause?: unknown;
    },
  ) {
    super(message, at.cause === undefined ? undefined : { cause: at.cause });
    this.name = "ExpressionError";
    this.source = at.source;
    this.offset = at.offset;
    this.suggestion = at.suggestion;
  }
}

/** The expression that an error is about. */
export interface Context {
  readonly source: string;
  readonly offsetOf: (id: bigint) => number;
}

/** The library's error with the place, what was known there and what was probably meant. */
export function explain(
  error: CelError,
  miss: Miss | undefined,
  scope: Scope,
  { source, offsetOf }: Context,
): ExpressionError {
  if (error.cause instanceof LimitExceeded)
    return new ExpressionError(`the expression ${error.message}`, { source, offset: 0, cause: error });
  const offset = error.exprId === undefined ? 0 : offsetOf(error.exprId);
  const fail = (message: string, suggestion?: string): ExpressionError =>
    new ExpressionError(suggestion === undefined ? message : `${message}; did you mean \`${suggestion}\`?`, {
      source,
      offset,
      suggestion,
      cause: error,
    });
  if (error.message === "unresolved attribute") {
    const name = /^[A-Za-z_]\w*/.exec(source.slice(offset))?.[0] ?? source.slice(offset, offset + 20);
    const known = Object.keys(scope);
    return fail(`\`${name}\` is not known here; known are ${known.join(", ") || "no names"}`, suggest(name, known));
  }
  const field = /^field not found: (.*)$/s.exec(error.message)?.[1];
  if (field !== undefined) {
    const known = miss?.key === field ? miss.known() : [];
    const list =
      known.length === 0
        ? ""
        : `; there ${known.length === 1 ? "is" : "are"} ${known.slice(0, 8).join(", ")}${known.length > 8 ? ` and ${known.length - 8} more` : ""}`;
    return fail(`there is no \`${field}\`${list}`, suggest(field, known));
  }
  if (/^index .* out of bounds \[0, -1\)$/.test(error.message)) {
    if (miss?.size === undefined) return fail("there is nothing with that number, or the value is no list");
    return fail(`there is no element ${miss.key}: the list has ${miss.size}, counted from 0`);
  }
  const overload = /^found no matching overload for '(.*)' applied to '(?:(.*)\.)?\((.*)\)'$/.exec(error.message);
  if (overload !== null)
    return fail(
      `\`${operator(overload[1] ?? "")}\` does not work on ${[overload[2], overload[3]].filter((part) => part !== undefined && part !== "").join(" and ") || "nothing"}`,
    );
  return fail(error.message);
}

function operator(name: string): string {
  return name === "@in" ? "in" : name.replaceAll("_", "") || name;
}
