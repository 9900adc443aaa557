import type { Digest } from "../core/digest.ts";
import { digestOf, sha256 } from "../core/digest.ts";
import type { Expression } from "../core/expression.ts";
import { compileExpression } from "../core/expression.ts";
import type { JsonObject } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Plan, PlanTask, TaskUse } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import type { Program, SlotClass, SlotOf } from "../core/program.ts";
import { link } from "../core/program.ts";
import type { StoredPlan } from "../store/store.ts";
import { compileChecked } from "../task/json-schema.ts";
import type { TaskDescription, TaskType } from "../task/task.ts";

/** A plan ready to start runs of. */
export interface Prepared {
  readonly program: Program;
  readonly concurrencyKey: Expression | null;
  /** Fills in defaults; throws `invalid_input` with everything that is wrong. */
  inputs(given: JsonObject): JsonObject;
}

/** Programs by plan digest, compiled once; the least recently used go when there are too many. */
export class Programs {
  private readonly cache = new Map<Digest, Prepared>();
  private readonly types: ReadonlyMap<string, TaskType>;
  private readonly residents: number;
  private readonly digests = new WeakMap<TaskDescription, Digest>();

  /** `residents`: attempts at once in programs that stay. */
  constructor(types: ReadonlyMap<string, TaskType>, residents: number) {
    this.types = types;
    this.residents = residents;
  }

  /** Throws `store_corrupt` when the text is not the plan its digest names. */
  get(stored: Pick<StoredPlan, "digest" | "text">): Prepared {
    const known = this.cache.get(stored.digest);
    if (known !== undefined) {
      this.cache.delete(stored.digest);
      this.cache.set(stored.digest, known);
      return known;
    }
    if (sha256(stored.text) !== stored.digest)
      throw new MaestroError(
        "store_corrupt",
        `the stored plan ${stored.digest} does not have that digest: it was edited or damaged`,
      );
    const plan = JSON.parse(stored.text) as Plan;
    const prepared = prepare(plan, stored.digest, (use, runner) => this.slotOf(use, runner));
    this.cache.set(stored.digest, prepared);
    if (this.cache.size > MAX_PROGRAMS) this.cache.delete(this.cache.keys().next().value!);
    return prepared;
  }

  /** Without the plan's text, where it was needed not long ago. */
  known(digest: Digest): Prepared | undefined {
    return this.cache.get(digest);
  }

  type(use: TaskUse): TaskType | undefined {
    return use.kind === "type" ? this.types.get(`${use.name}@${use.version}`) : undefined;
  }

  /**
   * Whether a plan pins another program than the one that is here now under the name. (What ships with Maestro keeps its
   * promises from version to version, so there the name is enough.)
   */
  isReplaced(use: TaskUse): boolean {
    const description = this.type(use)?.description;
    if (use.kind !== "type" || description?.program === undefined) return false;
    let digest = this.digests.get(description);
    if (digest === undefined) {
      digest = digestOf(description as unknown as JsonObject);
      this.digests.set(description, digest);
    }
    return digest !== use.digest;
  }

  /** An attempt that gets a slot must not wait for a place behind it: its time runs already. */
  private slotOf(use: TaskUse, runner: PlanTask["runner"]): SlotClass {
    const type = this.type(use);
    if (type?.description.runs !== "process") return "inline";
    return (type.places?.(runner) ?? 0) >= this.residents ? "resident" : "process";
  }
}

const MAX_PROGRAMS = 512;

function prepare(plan: Plan, digest: Digest, slotOf: SlotOf): Prepared {
  const defaults = defaultsOf(plan.inputs);
  return {
    program: link(plan, digest, slotOf),
    concurrencyKey: plan.concurrency === undefined ? null : compileExpression(plan.concurrency.key),
    inputs(given) {
      const whole = { ...defaults, ...given };
      // Not before somebody starts a run of it: whoever goes on with those that are there needs no validator.
      const errors = compileChecked(plan.inputs)(whole);
      if (errors.length > 0) {
        throw new MaestroError(
          "invalid_input",
          errors
            .map((error) => `${error.path === "" ? "inputs" : `input ${error.path.slice(1)}`} ${error.message}`)
            .join("; "),
          {
            facts: { errors: errors.map((error) => ({ path: error.path, message: error.message })) },
          },
        );
      }
      return whole;
    },
  };
}

function defaultsOf(schema: JsonObject): JsonObject {
  const { properties } = schema;
  if (!isJsonObject(properties)) return {};
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, property]) =>
      isJsonObject(property) && property["default"] !== undefined ? [[name, property["default"]]] : [],
    ),
  );
}
