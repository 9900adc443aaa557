import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { suggest } from "../core/suggest.ts";
import { faultsInto, members } from "../manifest/settings.ts";
import type { AuthzenSettings } from "./authzen.ts";
import { POINT_LIMITS, pointProblem } from "./decision-point.ts";
import type { OpaSettings } from "./opa.ts";
import type { WasmSettings } from "./rego-wasm.ts";

/** Which engine with which policy; paths are relative to the data directory. */
export type EvaluatorSettings =
  | { readonly kind: "builtin" }
  | ({ readonly kind: "cedar"; readonly folder: string } & Pinned)
  | ({ readonly kind: "wasm" } & WasmSettings & Pinned)
  | ({ readonly kind: "opa" } & OpaSettings)
  | ({ readonly kind: "authzen" } & AuthzenSettings);

interface Pinned {
  /** The policy that is meant: one with another digest is refused. */
  readonly digest?: string;
}

export const BUILTIN: EvaluatorSettings = { kind: "builtin" };

const KINDS = ["builtin", "cedar", "wasm", "opa", "authzen"] as const;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** `maestro/authz/decision`: names, each of which may be part of an address as it stands. */
const RULE = /^[A-Za-z_][\w-]*(?:\/[A-Za-z_][\w-]*){0,15}$/;

/** None where it cannot be read; then `faults` says why. */
export function readEvaluator(value: JsonValue, where: string, faults: string[]): readonly EvaluatorSettings[] {
  if (value === "builtin") return [BUILTIN];
  const [kind, ...others] = isJsonObject(value) ? Object.keys(value) : [];
  const known = KINDS.find((one) => one === kind);
  if (!isJsonObject(value) || known === undefined || known === "builtin" || others.length > 0) {
    const near = typeof value === "string" ? value : kind;
    const meant = near === undefined || known !== undefined ? undefined : suggest(near, KINDS);
    faults.push(
      `${where} is not builtin, and not one of ${KINDS.slice(1).join(", ")} with its settings${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    );
    return [];
  }
  const before = faults.length;
  const settings = READERS[known](value[known] ?? null, `${where}.${known}`, faults);
  return faults.length === before ? [settings] : [];
}

const POINT_MEMBERS = ["url", "timeoutMs", "tokenFile", "caFile"] as const;

const READERS: Readonly<
  Record<
    Exclude<EvaluatorSettings["kind"], "builtin">,
    (value: JsonValue, where: string, faults: string[]) => EvaluatorSettings
  >
> = {
  cedar(value, where, faults) {
    const given = readMembers(value, where, ["folder", "digest"], faults);
    return { kind: "cedar", folder: needed(given, "folder", where, faults), ...pin(given, where, faults) };
  },
  wasm(value, where, faults) {
    const given = readMembers(value, where, ["file", "entrypoint", "data", "digest"], faults);
    return {
      kind: "wasm",
      file: needed(given, "file", where, faults),
      entrypoint: rule(given, "entrypoint", where, faults),
      ...optionalText(given, "data", where, faults),
      ...pin(given, where, faults),
    };
  },
  opa(value, where, faults) {
    const given = readMembers(value, where, [...POINT_MEMBERS, "path"], faults);
    const point = readPoint(given, where, faults);
    if (URL.parse(point.url)?.pathname !== "/")
      faults.push(`${where}.url ends with its port; what is asked is \`path\``);
    return { kind: "opa", ...point, path: rule(given, "path", where, faults) };
  },
  authzen(value, where, faults) {
    const given = readMembers(value, where, [...POINT_MEMBERS, "discover"], faults);
    const { discover } = given;
    if (discover !== undefined && typeof discover !== "boolean")
      faults.push(`${where}.discover is neither true nor false`);
    return {
      kind: "authzen",
      ...readPoint(given, where, faults),
      ...(typeof discover === "boolean" ? { discover } : {}),
    };
  },
};

function readPoint(given: JsonObject, where: string, faults: string[]): Omit<OpaSettings, "path"> {
  const url = needed(given, "url", where, faults);
  const problem = url === "" ? undefined : pointProblem(url);
  if (problem !== undefined) faults.push(`${where}.url: ${problem}`);
  const { timeoutMs } = given;
  const { longestTimeoutMs } = POINT_LIMITS;
  const isTime =
    typeof timeoutMs === "number" && Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= longestTimeoutMs;
  if (timeoutMs !== undefined && !isTime)
    faults.push(
      `${where}.timeoutMs is ${JSON.stringify(timeoutMs)}; it is a whole number from 1 to ${longestTimeoutMs}`,
    );
  return {
    url,
    ...(isTime ? { timeoutMs } : {}),
    ...optionalText(given, "tokenFile", where, faults),
    ...optionalText(given, "caFile", where, faults),
  };
}

/** The members of a mapping that may only have these. */
export function readMembers(value: JsonValue, where: string, known: readonly string[], faults: string[]): JsonObject {
  // An empty file, or a name with nothing after it.
  if (value === null) return {};
  return members(value, where, known, faultsInto(faults));
}

function needed(given: JsonObject, name: string, where: string, faults: string[]): string {
  const value = given[name];
  if (typeof value === "string" && value !== "") return value;
  faults.push(`${where}.${name} ${value === undefined ? "is missing" : "is not a text"}`);
  return "";
}

function rule(given: JsonObject, name: string, where: string, faults: string[]): string {
  const value = needed(given, name, where, faults);
  if (value !== "" && !RULE.test(value))
    faults.push(
      `${where}.${name} is ${JSON.stringify(value)}; it is the path of a rule, such as maestro/authz/decision`,
    );
  return value;
}

function optionalText<K extends string>(
  given: JsonObject,
  name: K,
  where: string,
  faults: string[],
): { readonly [key in K]?: string } {
  const value = given[name];
  if (value === undefined) return {};
  if (typeof value === "string" && value !== "") return { [name]: value } as { readonly [key in K]?: string };
  faults.push(`${where}.${name} is not a text`);
  return {};
}

function pin(given: JsonObject, where: string, faults: string[]): Pinned {
  const { digest } = given;
  if (digest === undefined) return {};
  if (typeof digest === "string" && DIGEST.test(digest)) return { digest };
  faults.push(`${where}.digest is not sha256: and 64 hexadecimal digits`);
  return {};
}
