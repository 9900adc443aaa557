import type { JsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { TaskFailure } from "./task.ts";

/** The codes of sql@1, each with what to do next. Those that are not final may be worth another try. */
const CODES = {
  SQL_SYNTAX: { final: true, next: "Mend the statement; nothing was changed." },
  SQL_CONSTRAINT: {
    final: true,
    next: "Nothing was changed. Give other values, or say what to do with rows that are there already (`on conflict`).",
  },
  SQL_DATA: { final: true, next: "Nothing was changed. Give a value that the column can hold." },
  SQL_DENIED: { final: true, next: "Ask for the right to do it, or use another account." },
  SQL_READ_ONLY: { final: true, next: "Set `mode: write` if the statement is meant to change something." },
  SQL_LIMIT: { final: true, next: "Ask for less, or write the rows to a file with `to`." },
  SQL_CONNECT: { final: false, next: "Check the address and that the database is up." },
  SQL_BUSY: { final: false, next: "Another transaction was in the way; nothing was changed. Try it again." },
  SQL_TIMEOUT: { final: false, next: "Nothing was changed. Make it faster, or raise `timeoutMs`." },
  SQL_ERROR: { final: true, next: "Nothing was changed." },
} as const satisfies Readonly<Record<string, { readonly final: boolean; readonly next: string }>>;

export type SqlCode = keyof typeof CODES;

/** A failure in the words of the database and with what to do next. */
export function sqlFailure(
  code: SqlCode,
  what: string,
  options: {
    readonly details?: JsonObject;
    readonly next?: string;
    readonly final?: boolean;
    readonly cause?: unknown;
  } = {},
): TaskFailure {
  const { next, final } = CODES[code];
  return new TaskFailure(
    {
      code,
      message: `${what.trim().replace(/[.\s]*$/, ".")} ${options.next ?? next}`.toWellFormed(),
      ...((options.final ?? final) ? { final: true } : {}),
      ...(options.details === undefined ? {} : { details: options.details }),
    },
    options.cause === undefined ? {} : { cause: options.cause },
  );
}

/** Primary result codes of SQLite; the extended ones hold them in their low byte (sqlite.org/rescode.html). */
const SQLITE: Readonly<Record<number, SqlCode>> = {
  1: "SQL_ERROR",
  5: "SQL_BUSY",
  6: "SQL_BUSY",
  7: "SQL_LIMIT",
  8: "SQL_READ_ONLY",
  10: "SQL_CONNECT",
  11: "SQL_CONNECT",
  13: "SQL_CONNECT",
  14: "SQL_CONNECT",
  18: "SQL_LIMIT",
  19: "SQL_CONSTRAINT",
  20: "SQL_DATA",
  23: "SQL_DENIED",
  25: "SQL_DATA",
  26: "SQL_CONNECT",
};
/** SQLITE_CONSTRAINT_DATATYPE: the value is of the wrong type for a column of a strict table. */
const WRONG_TYPE = 3091;

/** What SQLite threw, as a failure. An error while a statement is prepared is one of the statement. */
export function explainSqlite(thrown: unknown, when: "prepare" | "run"): unknown {
  if (!(thrown instanceof Error) || !("errcode" in thrown) || typeof thrown.errcode !== "number") {
    // Values that node:sqlite itself refuses, such as a text with a lone surrogate.
    return thrown instanceof TypeError || thrown instanceof RangeError
      ? sqlFailure("SQL_DATA", messageOf(thrown), { cause: thrown })
      : thrown;
  }
  const primary = thrown.errcode & 0xff;
  const code =
    primary === 1 && when === "prepare"
      ? "SQL_SYNTAX"
      : thrown.errcode === WRONG_TYPE
        ? "SQL_DATA"
        : (SQLITE[primary] ?? "SQL_ERROR");
  const next =
    primary === 23
      ? "sql@1 opens one file and no other: `attach` and `vacuum into` are refused. For a copy of the database use `copy`."
      : primary === 11 || primary === 26
        ? "The file is damaged or is no SQLite database."
        : undefined;
  return sqlFailure(code, `SQLite says: ${thrown.message}`, {
    details: { sqlite: thrown.errcode },
    ...(next === undefined ? {} : { next, final: true }),
    cause: thrown,
  });
}

/** SQLSTATE, whole or by its class (PostgreSQL, appendix A). */
const SQLSTATE: Readonly<Record<string, SqlCode>> = {
  "08": "SQL_CONNECT",
  "0A": "SQL_ERROR",
  "22": "SQL_DATA",
  "21": "SQL_CONSTRAINT",
  "23": "SQL_CONSTRAINT",
  "25006": "SQL_READ_ONLY",
  "28": "SQL_DENIED",
  "3D": "SQL_CONNECT",
  "40": "SQL_BUSY",
  "42": "SQL_SYNTAX",
  "42501": "SQL_DENIED",
  "44": "SQL_CONSTRAINT",
  "53": "SQL_CONNECT",
  "54": "SQL_LIMIT",
  "55P03": "SQL_BUSY",
  "57014": "SQL_TIMEOUT",
  "57P": "SQL_CONNECT",
  "58": "SQL_CONNECT",
};

/** What PostgreSQL or the way to it said, as a failure. `statement` is the text that its position means. */
export function explainPostgres(thrown: unknown, statement?: string): unknown {
  if (thrown instanceof TaskFailure || !(thrown instanceof Error)) return thrown;
  const state = "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
  if ("severity" in thrown) return serverFailure(thrown, state, statement);
  if (/^(?:CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/.test(state))
    return sqlFailure("SQL_CONNECT", `There is no trustworthy TLS connection: ${thrown.message} (${state})`, {
      final: true,
      next: "Give the server a valid certificate, or name the authority that signed it with `ca`.",
      cause: thrown,
    });
  if (/does not support SSL/.test(thrown.message))
    return sqlFailure("SQL_CONNECT", thrown.message, {
      final: true,
      next: "Switch TLS on in the server, or set `tls: off` where the way to it is trusted.",
      cause: thrown,
    });
  if (/password/i.test(thrown.message))
    return sqlFailure("SQL_DENIED", `The server asks for a password: ${thrown.message}`, {
      next: "Name where it is with `password`.",
      cause: thrown,
    });
  const reason = thrown instanceof AggregateError ? messageOf(thrown.errors[0]) : thrown.message;
  if (state !== "" || /connect|timeout|terminated|ECONN/i.test(reason))
    return sqlFailure("SQL_CONNECT", `The database was not reached, or the connection broke: ${reason}`, {
      cause: thrown,
    });
  return thrown;
}

interface ServerError extends Error {
  readonly hint?: string;
  readonly position?: string;
  readonly constraint?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
}

function serverFailure(error: ServerError, state: string, statement: string | undefined): TaskFailure {
  const code = SQLSTATE[state] ?? SQLSTATE[state.slice(0, 3)] ?? SQLSTATE[state.slice(0, 2)] ?? "SQL_ERROR";
  const place = placeOf(error.position, statement);
  // `detail` is left out: it quotes the row, and what is in rows does not belong into histories.
  const { constraint, schema, table, column } = error;
  const details = Object.fromEntries(
    Object.entries({ sqlstate: state, constraint, schema, table, column, ...place }).filter(
      (entry): entry is [string, string | number] => entry[1] !== undefined,
    ),
  );
  const where = place === undefined ? "" : ` (line ${place.line}, column ${place.column})`;
  const hint = error.hint === undefined ? "" : ` ${error.hint}`;
  return sqlFailure(code, `PostgreSQL says: ${error.message}${where}.${hint}`, {
    details,
    ...(code === "SQL_CONNECT" && state.startsWith("3D")
      ? { final: true, next: "Check the name under `database`." }
      : code === "SQL_DENIED" && state.startsWith("28")
        ? { next: "Check `user` and what `password` names." }
        : {}),
    cause: error,
  });
}

/** Line and column from 1 of a position that counts characters from 1. */
function placeOf(
  position: string | undefined,
  statement: string | undefined,
): { readonly line: number; readonly column: number } | undefined {
  if (position === undefined || statement === undefined) return undefined;
  const before = Array.from(statement)
    .slice(0, Number(position) - 1)
    .join("");
  const lines = before.split("\n");
  return { line: lines.length, column: Array.from(lines.at(-1) ?? "").length + 1 };
}
