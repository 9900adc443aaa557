import { resolve } from "node:path";
import { combined } from "./combine.ts";
import type { EvaluatorSettings } from "./evaluator-settings.ts";
import type { Evaluator } from "./evaluator.ts";
import { FILE_LIMITS, readPolicyBytes } from "./policy-files.ts";
import { unusable } from "./unusable.ts";

export interface EvaluatorParts {
  /** What paths of the settings are relative to. */
  readonly dataDir: string;
  readonly now: () => number;
}

/** Several are one: what one of them denies is denied. Errors: `policy_unusable`. */
export async function openEvaluators(
  [first, ...others]: readonly [EvaluatorSettings, ...EvaluatorSettings[]],
  parts: EvaluatorParts,
): Promise<Evaluator> {
  const opened: [Evaluator, ...Evaluator[]] = [await openEvaluator(first, parts)];
  try {
    for (const settings of others) opened.push(await openEvaluator(settings, parts));
  } catch (error) {
    for (const evaluator of opened) await evaluator.close?.();
    throw error;
  }
  return combined(opened);
}

/** An evaluator as policy.yaml has it; an engine is loaded by the first policy that needs it. Errors: `policy_unusable`. */
export async function openEvaluator(settings: EvaluatorSettings, { dataDir, now }: EvaluatorParts): Promise<Evaluator> {
  const at = (path: string): string => resolve(dataDir, path);
  switch (settings.kind) {
    case "builtin":
      return (await import("./builtin.ts")).builtinEvaluator();
    case "cedar": {
      const folder = at(settings.folder);
      const { cedarEvaluator } = await import("./cedar.ts");
      return pinned(await cedarEvaluator(folder), folder, settings.digest);
    }
    case "wasm": {
      const { file, entrypoint, data, digest } = settings;
      const { wasmEvaluator } = await import("./rego-wasm.ts");
      const wanted = { file: at(file), entrypoint, ...(data === undefined ? {} : { data: at(data) }) };
      return pinned(await wasmEvaluator(wanted), wanted.file, digest);
    }
    case "opa":
      return (await import("./opa.ts")).opaEvaluator(await withFiles(settings, at), now);
    case "authzen":
      return (await import("./authzen.ts")).authzenEvaluator(await withFiles(settings, at), now);
  }
}

/** A policy that was exchanged, also for an older one, is not the one that was meant. */
function pinned(evaluator: Evaluator, path: string, digest: string | undefined): Evaluator {
  if (digest === undefined || digest === evaluator.policyDigest) return evaluator;
  throw unusable(path, [`its digest is ${evaluator.policyDigest}, and policy.yaml asks for ${digest}`]);
}

/** A decision point may be down for now; a file that is not there is a mistake in the settings. */
async function withFiles<T extends { readonly tokenFile?: string; readonly caFile?: string }>(
  settings: T,
  at: (path: string) => string,
): Promise<T> {
  const { tokenFile, caFile } = settings;
  for (const path of [tokenFile, caFile]) if (path !== undefined) await readPolicyBytes(at(path), FILE_LIMITS.bytes);
  return {
    ...settings,
    ...(tokenFile === undefined ? {} : { tokenFile: at(tokenFile) }),
    ...(caFile === undefined ? {} : { caFile: at(caFile) }),
  };
}
