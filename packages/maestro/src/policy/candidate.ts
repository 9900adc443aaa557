import { Worker } from "node:worker_threads";
import type { Digest } from "../core/digest.ts";
import type { ProblemCode } from "../core/problem.ts";
import { MaestroError } from "../core/problem.ts";
import { threadEnv } from "../thread-env.ts";
import type { PolicyRule, Verdict } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";

/** A file of a policy that is not in force. */
export interface CandidateFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface CandidateQuestions {
  readonly files: readonly CandidateFile[];
  readonly questions: readonly GateRequest[];
  /** For policies that look at the clock. */
  readonly at: number;
  /** Also asks the policy without each one of its rules. */
  readonly mutate?: boolean;
}

/** What a policy that is not in force answers, question by question. */
export interface CandidateAnswers {
  readonly engine: string;
  readonly policyDigest: Digest;
  readonly rules: readonly PolicyRule[];
  readonly answers: readonly Verdict[];
  /** Without that rule, who would be allowed; of policies whose rules can be told apart. */
  readonly mutants: readonly { readonly rule: string; readonly allowed: readonly boolean[] }[];
}

export const CANDIDATE_LIMITS = {
  bytes: 4 * 1024 * 1024,
  files: 200,
  ms: 30_000,
  /** Of a table of cases, which nobody waits for but whoever has it. */
  testMs: 600_000,
  memoryMb: 512,
  atOnce: 2,
} as const;

/** What a folder of a policy may hold besides its tests. */
export const CANDIDATE_FILE =
  /^(?:[A-Za-z0-9][\w.-]{0,99}\.cedar|schema\.cedarschema(?:\.json)?|policy\.wasm|data\.json)$/;

export type CandidateReply =
  | { readonly ok: true; readonly answers: CandidateAnswers }
  | { readonly ok: false; readonly code: ProblemCode | undefined; readonly message: string };

let atWork = 0;

/**
 * Asks a policy that somebody is still working on. In a thread of its own that ends with it: what Cedar has parsed it never
 * forgets, and a policy may take for ever. Errors: `policy_unusable`, `invalid_request`, `overloaded`.
 */
export async function askCandidate(
  asked: CandidateQuestions,
  ms: number = CANDIDATE_LIMITS.ms,
): Promise<CandidateAnswers> {
  check(asked.files);
  if (atWork >= CANDIDATE_LIMITS.atOnce)
    throw new MaestroError("overloaded", `${CANDIDATE_LIMITS.atOnce} policies are being tried already.`);
  atWork += 1;
  try {
    return await inThread(asked, ms);
  } finally {
    atWork -= 1;
  }
}

async function inThread(asked: CandidateQuestions, ms: number): Promise<CandidateAnswers> {
  const worker = new Worker(new URL("./candidate-worker.ts", import.meta.url), {
    workerData: asked,
    env: threadEnv(),
    resourceLimits: { maxOldGenerationSizeMb: CANDIDATE_LIMITS.memoryMb },
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    const reply = await new Promise<CandidateReply>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", () => reject(new Error("the thread ended without an answer")));
      timer = setTimeout(() => reject(new Error(`it took longer than ${ms / 1000} s`)), ms);
    });
    if (reply.ok) return reply.answers;
    throw new MaestroError(reply.code ?? "policy_unusable", reply.message);
  } catch (error) {
    if (error instanceof MaestroError) throw error;
    throw new MaestroError("policy_unusable", `The policy could not be asked: ${String(error)}.`, { cause: error });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

function check(files: readonly CandidateFile[]): void {
  const { bytes, files: most } = CANDIDATE_LIMITS;
  const total = files.reduce((sum, file) => sum + file.bytes.length, 0);
  const strange = files.find(({ name }) => !CANDIDATE_FILE.test(name));
  const problem =
    files.length === 0
      ? "it has no file"
      : files.length > most
        ? `it has more than ${most} files`
        : total > bytes
          ? `its files have more than ${bytes} bytes together`
          : strange === undefined
            ? new Set(files.map(({ name }) => name)).size === files.length
              ? undefined
              : "a name is there twice"
            : `${JSON.stringify(strange.name.slice(0, 100))} is no file of a policy: *.cedar with schema.cedarschema, or policy.wasm with data.json`;
  if (problem !== undefined) throw new MaestroError("invalid_request", `The policy cannot be tried: ${problem}.`);
}
