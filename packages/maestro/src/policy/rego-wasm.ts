import type { LoadedPolicy } from "@open-policy-agent/opa-wasm";
import { digestOf } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { parseStrict } from "../core/strict-json.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";
import { FILE_LIMITS, filesDocument, readPolicyBytes, utf8 } from "./policy-files.ts";
import { unusable } from "./unusable.ts";
import { denialOf, readVerdict } from "./verdict.ts";

export interface WasmSettings {
  /** What `opa build -t wasm` makes: the `policy.wasm` of its bundle. */
  readonly file: string;
  /** Of the rule that decides, `maestro/authz/decision`. */
  readonly entrypoint: string;
  /** A file with the JSON that the policy knows as `data`. */
  readonly data?: string;
}

export const WASM_LIMITS = {
  bytes: 16 * 1024 * 1024,
  firstPages: 64,
  memoryPages: 1024,
  inputBytes: 1024 * 1024,
} as const;

/**
 * What the host adds to the builtins that are compiled in. Others that the package offers split by the patterns of
 * JavaScript or read YAML: neither has a bound.
 */
const SUPPLIED: ReadonlySet<string> = new Set(["sprintf", "json.is_valid"]);

/**
 * Compiled Rego in this process. It has no clock and no network, so its answer follows from the request alone. Errors:
 * `policy_unusable`, also where it needs a builtin that is not there: only the request that needs it would miss it.
 */
export async function wasmEvaluator({ file, entrypoint, data }: WasmSettings): Promise<Evaluator> {
  const bytes = await readPolicyBytes(file, WASM_LIMITS.bytes);
  const known = data === undefined ? undefined : await readData(data);
  const open = await opener(file, bytes, known?.value);
  /** One at a time, and none is asked again after it has failed: what a trap leaves in its memory nobody knows. */
  let policy: LoadedPolicy | undefined = await open();
  const faults = faultsOf(policy, entrypoint);
  if (faults.length > 0) throw unusable(file, faults);
  const ask = (loaded: LoadedPolicy, request: GateRequest): Verdict => {
    policy = undefined;
    const verdict = answerOf(loaded, entrypoint, request);
    policy = loaded;
    return verdict;
  };
  const files = [
    { name: "policy.wasm", bytes },
    ...(known === undefined ? [] : [{ name: "data.json", bytes: known.bytes }]),
  ];
  const document = filesDocument({ engine: "opa-wasm", entrypoint }, files);
  return {
    engine: "opa-wasm@1",
    policyDigest: digestOf(document),
    sources: () => [{ document, files: files.map((one) => one.bytes) }],
    repeatable: true,
    evaluate: (request) =>
      policy === undefined ? open().then((loaded) => ask(loaded, request)) : ask(policy, request),
  };
}

async function opener(file: string, bytes: Buffer, data: JsonObject | undefined): Promise<() => Promise<LoadedPolicy>> {
  const { loadPolicy } = await import("@open-policy-agent/opa-wasm");
  return async () => {
    try {
      const policy = await loadPolicy(Uint8Array.from(bytes), {
        initial: WASM_LIMITS.firstPages,
        maximum: WASM_LIMITS.memoryPages,
      });
      if (data !== undefined) policy.setData(data);
      return policy;
    } catch (error) {
      throw unusable(file, [`it is not a compiled policy of OPA: ${messageOf(error)}`], error);
    }
  };
}

/** The SDK knows which builtins a policy needs and does not tell; the module itself does. */
function faultsOf(policy: LoadedPolicy, entrypoint: string): readonly string[] {
  const entrypoints = Object.keys(policy.entrypoints as Readonly<Record<string, number>>);
  const missing = Object.keys(builtinsOf(policy)).filter((name) => !SUPPLIED.has(name));
  return [
    ...(entrypoints.includes(entrypoint)
      ? []
      : [
          `it has no entrypoint ${entrypoint}; it has ${entrypoints.join(", ")} (\`opa build -t wasm -e ${entrypoint}\`)`,
        ]),
    ...(missing.length === 0
      ? []
      : [`it uses ${missing.join(", ")}, which there is none of here; ask an OPA server instead (evaluator: opa)`]),
  ];
}

function builtinsOf({ wasmInstance, mem }: LoadedPolicy): Readonly<Record<string, number>> {
  // The compiler has no types of WebAssembly without those of a browser.
  const { exports } = wasmInstance as unknown as {
    readonly exports: Readonly<Record<string, (address?: number) => number>>;
  };
  const { builtins, opa_json_dump: dump } = exports;
  if (builtins === undefined || dump === undefined) return {};
  const start = dump(builtins());
  const memory = new Uint8Array((mem as unknown as { readonly buffer: ArrayBuffer }).buffer);
  const text = new TextDecoder().decode(memory.subarray(start, memory.indexOf(0, start)));
  return JSON.parse(text) as Readonly<Record<string, number>>;
}

function answerOf(policy: LoadedPolicy, entrypoint: string, request: GateRequest): Verdict {
  const input = JSON.stringify(request);
  if (Buffer.byteLength(input) > WASM_LIMITS.inputBytes)
    throw new Error(`the request has more than ${WASM_LIMITS.inputBytes} bytes`);
  let results: unknown;
  try {
    results = policy.evaluate(request, entrypoint);
  } catch (error) {
    // What the SDK throws is not always an Error.
    throw error instanceof Error ? error : new Error(textOf(error));
  }
  if (!Array.isArray(results) || results.length > 1) throw new Error("the policy did not give one answer");
  // None: the rule is undefined for this request.
  const [first] = results as readonly { readonly result?: JsonValue }[];
  const verdict = readVerdict(first?.result);
  return verdict.allow ? verdict : { ...verdict, reasons: denialOf(request.action.name, verdict.reasons) };
}

async function readData(path: string): Promise<{ readonly value: JsonObject; readonly bytes: Buffer }> {
  const bytes = await readPolicyBytes(path, FILE_LIMITS.totalBytes);
  try {
    const value = parseStrict(utf8(bytes, path));
    if (isJsonObject(value)) return { value, bytes };
  } catch (error) {
    throw error instanceof SyntaxError ? unusable(path, [messageOf(error)], error) : error;
  }
  throw unusable(path, ["it is not a JSON object"]);
}

function textOf(thrown: unknown): string {
  return isJsonObject(thrown) && typeof thrown["message"] === "string" ? thrown["message"] : String(thrown);
}
