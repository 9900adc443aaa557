import { readFile } from "node:fs/promises";
import type { JsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { inputPath } from "./define.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

/**
 * Where a task reads a credential at the last moment: a variable of the engine's environment, or a file. The input, and
 * with it the history and the receipt, holds only this name; the value is never recorded.
 */
export type CredentialSource = { readonly env: string } | { readonly file: string };

export const CREDENTIAL_SCHEMA: JsonObject = {
  description:
    "Where to read it from when the task runs: a variable of the engine's environment, or a file. Never the value.",
  oneOf: [
    {
      type: "object",
      properties: {
        env: { type: "string", pattern: "^[A-Za-z_][A-Za-z0-9_]{0,127}$", description: "Name of the variable." },
      },
      required: ["env"],
      additionalProperties: false,
    },
    {
      type: "object",
      properties: {
        file: {
          type: "string",
          minLength: 1,
          maxLength: 4096,
          description: "Path of the file; a line end at its end does not count.",
        },
      },
      required: ["file"],
      additionalProperties: false,
    },
  ],
};

/** Where variables come from, relative paths are meant from, and leave is asked for; without `lease` the control plane reads one of its own. */
export type CredentialPlace = Pick<TaskContext, "base" | "environment"> & Partial<Pick<TaskContext, "lease" | "dir">>;

/** The engine's own variables: the passphrase of its key, tokens of control planes. */
const OWN_VARIABLES = /^MAESTRO_/;

/** Longer than any key or token is. */
const MAX_BYTES = 64 * 1024;

/**
 * The value, once policy allows it, without the line end that editors put at the end of a file. Rejects with TaskFailure
 * `DENIED`, or `CREDENTIAL`, which names the source and never quotes what was found there.
 */
export async function readCredential(context: CredentialPlace, source: CredentialSource): Promise<string> {
  if (context.lease !== undefined && "env" in source && OWN_VARIABLES.test(source.env))
    throw new TaskFailure({
      code: "CREDENTIAL",
      message: `The variable ${source.env} is Maestro's own, which no task may read. Give the credential another name.`,
      final: true,
    });
  await context.lease?.("env" in source ? `env:${source.env}` : `file:${source.file}`);
  const where = "env" in source ? `The variable ${source.env}` : `The file ${source.file}`;
  const value = "env" in source ? context.environment(source.env) : await readSecretFile(context, source.file);
  if (value === undefined || value === "") throw missing(`${where} is not set or empty, and the task needs it.`);
  if (value.length > MAX_BYTES) throw missing(`${where} is longer than ${MAX_BYTES} bytes; no credential is.`);
  return value;
}

async function readSecretFile(context: CredentialPlace, path: string): Promise<string> {
  // Before anything is read, with words of its own.
  const full = inputPath(context, path);
  try {
    const text = await readFile(full, "utf8");
    return text.replace(/\r?\n$/, "");
  } catch (error) {
    throw missing(`The file ${path} could not be read: ${messageOf(error)}`, error);
  }
}

function missing(message: string, cause?: unknown): TaskFailure {
  return new TaskFailure({ code: "CREDENTIAL", message }, cause === undefined ? {} : { cause });
}
