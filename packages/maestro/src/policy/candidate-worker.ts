import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { CandidateAnswers, CandidateQuestions, CandidateReply } from "./candidate.ts";
import type { CedarBundle } from "./cedar-bundle.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import { isYes } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";
import { utf8 } from "./policy-files.ts";

// One policy, its questions, and the end of this thread.

interface Opened {
  readonly evaluator: Evaluator;
  /** The same without a rule, for each of its rules. */
  readonly mutants: Iterable<{ readonly rule: string; readonly evaluator: Evaluator }>;
}

/** What a decision that is asked for is called, in a policy of Rego. */
const ENTRYPOINT = "maestro/authz/decision";
const WHERE = "in the folder";

const asked = workerData as CandidateQuestions;
const reply = (message: CandidateReply): void => parentPort?.postMessage(message);
try {
  reply({ ok: true, answers: await answer(asked) });
} catch (error) {
  reply({ ok: false, code: error instanceof MaestroError ? error.code : undefined, message: messageOf(error) });
}

async function answer({ files, questions, at, mutate }: CandidateQuestions): Promise<CandidateAnswers> {
  const folder = await mkdtemp(join(tmpdir(), "maestro-policy-"));
  try {
    for (const { name, bytes } of files) await writeFile(join(folder, name), bytes, { mode: 0o600 });
    const { evaluator, mutants } = await (files.some(({ name }) => name === "policy.wasm")
      ? openRego(folder, files)
      : openCedar(files));
    const answers: Verdict[] = [];
    for (const question of questions) answers.push(await ask(evaluator, question, at));
    const without: CandidateAnswers["mutants"][number][] = [];
    for (const one of mutate === true ? mutants : []) {
      const allowed: boolean[] = [];
      for (const question of questions) allowed.push((await ask(one.evaluator, question, at)).allow);
      without.push({ rule: one.rule, allowed });
    }
    const { engine, policyDigest, rules } = evaluator;
    return {
      engine,
      policyDigest,
      rules: Array.from(rules?.values() ?? [], ({ id, effect, why, fix, file, text, shadow }) => ({
        id,
        effect,
        ...(why === undefined ? {} : { why }),
        ...(fix === undefined ? {} : { fix }),
        ...(file === undefined ? {} : { file }),
        ...(text === undefined ? {} : { text }),
        ...(shadow === undefined ? {} : { shadow }),
      })),
      answers,
      mutants: without,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** As a gate: what fails is a no. */
async function ask(evaluator: Evaluator, question: GateRequest, at: number): Promise<Verdict> {
  try {
    const verdict = await evaluator.evaluate(question, { at });
    return { ...verdict, allow: isYes(verdict.allow) };
  } catch (error) {
    return { allow: false, rules: [], reasons: [`it failed: ${messageOf(error)}`] };
  }
}

async function openCedar(files: CandidateQuestions["files"]): Promise<Opened> {
  const { evaluatorOf, loadCedar, MAX_BUNDLES } = await import("./cedar.ts");
  const { readCedarBundle } = await import("./cedar-bundle.ts");
  const { digestOf } = await import("../core/digest.ts");
  const cedar = await loadCedar();
  const texts = files
    .filter(({ name }) => name !== "data.json")
    .map(({ name, bytes }) => ({ name, text: utf8(bytes, name) }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const bundle = await readCedarBundle(cedar, texts, WHERE);
  const inForce = [...bundle.rules.values()].filter(({ shadow }) => shadow !== true);
  return {
    evaluator: evaluatorOf(cedar, bundle, WHERE),
    mutants: (function* () {
      for (const { id } of inForce.slice(0, MAX_BUNDLES / 2)) {
        const rules: CedarBundle["rules"] = new Map(
          inForce.filter((rule) => rule.id !== id).map((rule) => [rule.id, rule]),
        );
        const digest = digestOf({ policy: bundle.digest, without: id });
        yield { rule: id, evaluator: evaluatorOf(cedar, { ...bundle, rules, digest }, WHERE) };
      }
    })(),
  };
}

/** What was compiled has no rules that could be told apart. */
async function openRego(folder: string, files: CandidateQuestions["files"]): Promise<Opened> {
  const { wasmEvaluator } = await import("./rego-wasm.ts");
  const data = files.some(({ name }) => name === "data.json") ? { data: join(folder, "data.json") } : {};
  const evaluator = await wasmEvaluator({ file: join(folder, "policy.wasm"), entrypoint: ENTRYPOINT, ...data });
  return { evaluator, mutants: [] };
}
