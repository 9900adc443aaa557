import type { Digest } from "../core/digest.ts";
import type { EvaluatorParts } from "./open-evaluator.ts";
import { openEvaluator, openEvaluators } from "./open-evaluator.ts";
import type { Evaluator, PolicyRule, PolicySource, Verdict } from "./evaluator.ts";
import type { GateRequest, Occasion } from "./gate.ts";
import type { PolicySettings } from "./policy-file.ts";
import { loadPolicySettings } from "./policy-file.ts";

/** What came of reading the policy again. */
export interface PolicyChange {
  readonly engine: string;
  readonly before: Digest;
  readonly after: Digest;
  /** Members of policy.yaml that are read at the start only, and are others now. */
  readonly restart: readonly string[];
}

interface Opened {
  readonly settings: PolicySettings;
  readonly evaluator: Evaluator;
  readonly shadow: readonly Evaluator[];
}

/** Held from the start to the end of an engine. */
const AT_START = ["environment", "notify", "breakGlassLongestMs"] as const;

/**
 * The policy of a data directory, which can be read again while questions are asked. A question is answered by one policy
 * from its beginning to its end. One that cannot be used never takes the place of one that can.
 */
export class LivePolicy implements Evaluator {
  readonly #parts: EvaluatorParts;
  readonly #first: PolicySettings;
  #now: Opened;
  #reloading: Promise<PolicyChange> | undefined;

  private constructor(parts: EvaluatorParts, opened: Opened) {
    this.#parts = parts;
    this.#first = opened.settings;
    this.#now = opened;
  }

  /** Errors: `policy_unusable`: an engine that starts all the same would decide by another policy than was meant. */
  static async open(parts: EvaluatorParts): Promise<LivePolicy> {
    return new LivePolicy(parts, await open(parts));
  }

  get settings(): PolicySettings {
    return this.#now.settings;
  }

  get engine(): string {
    return this.#now.evaluator.engine;
  }

  get policyDigest(): Digest {
    return this.#now.evaluator.policyDigest;
  }

  get repeatable(): boolean {
    return this.#now.evaluator.repeatable;
  }

  get rules(): ReadonlyMap<string, PolicyRule> {
    return this.#now.evaluator.rules ?? NO_RULES;
  }

  /** Policies on trial, and the enforced one with its own rules that are. */
  get shadow(): readonly Evaluator[] {
    const { evaluator, shadow } = this.#now;
    return evaluator.trial === undefined ? shadow : [...shadow, evaluator.trial];
  }

  evaluate(request: GateRequest, occasion: Occasion): Verdict | Promise<Verdict> {
    return this.#now.evaluator.evaluate(request, occasion);
  }

  sources(): readonly PolicySource[] {
    return this.#now.evaluator.sources?.() ?? [];
  }

  /** Reads policy.yaml and all that it names again. Errors: `policy_unusable`, and everything stays as it was. */
  async reload(): Promise<PolicyChange> {
    // Whoever asks meanwhile may have changed a file since the other one began.
    const before = this.#reloading ?? Promise.resolve();
    const mine = before.then(
      async () => this.#reload(),
      async () => this.#reload(),
    );
    this.#reloading = mine;
    return mine;
  }

  async close(): Promise<void> {
    await closeAll(this.#now);
  }

  async #reload(): Promise<PolicyChange> {
    const opened = await open(this.#parts);
    const old = this.#now;
    this.#now = opened;
    await closeAll(old);
    const restart = AT_START.filter(
      (name) => JSON.stringify(opened.settings[name]) !== JSON.stringify(this.#first[name]),
    );
    return {
      engine: opened.evaluator.engine,
      before: old.evaluator.policyDigest,
      after: opened.evaluator.policyDigest,
      restart: restart.map((name) => (name === "breakGlassLongestMs" ? "breakGlass" : name)),
    };
  }
}

const NO_RULES: ReadonlyMap<string, PolicyRule> = new Map();

async function open(parts: EvaluatorParts): Promise<Opened> {
  const settings = await loadPolicySettings(parts.dataDir);
  const evaluator = await openEvaluators(settings.evaluators, parts);
  const shadow: Evaluator[] = [];
  try {
    for (const one of settings.shadow) shadow.push(await openEvaluator(one, parts));
  } catch (error) {
    await closeAll({ evaluator, shadow });
    throw error;
  }
  return { settings, evaluator, shadow };
}

async function closeAll({ evaluator, shadow }: Pick<Opened, "evaluator" | "shadow">): Promise<void> {
  for (const one of [evaluator, ...shadow]) await one.close?.();
}
