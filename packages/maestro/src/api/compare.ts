import { list, text } from "./field.ts";
import { MAX_MANIFEST, PLAN_SOURCE, resolvePlan } from "./plans.ts";
import { object } from "./respond.ts";
import { route } from "./route.ts";

/** Runs that one request compares: each history is read as a whole. */
export const MAX_COMPARED = 100;

export const compareRuns = route({
  method: "POST",
  path: "/v1/replays",
  operation: "compareRuns",
  access: { action: "run.replay", as: "read" },
  summary:
    "Decides stored histories again by another version of their runbook: which would have gone another way, at which event and why. Nothing is recorded and nothing runs.",
  body: {
    ...PLAN_SOURCE,
    runs: list("Ids of runs.", text("", { max: 64 }), MAX_COMPARED),
  },
  maxBody: 2 * MAX_MANIFEST,
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "ComparisonList",
      description:
        "`plan` is the digest compared with; `comparisons`, one for each run: `kind` is `same`, `differs` (with `seq` and `why`) or `incomparable` (with `why`).",
    },
  ],
  async handle(deps, { body, access }) {
    const plan = await resolvePlan(deps, access, body);
    const comparisons = [];
    for (const reference of body.runs) {
      const run = await access.onRun(reference);
      comparisons.push(await deps.compare(run.id, plan));
    }
    return object("ComparisonList", { plan: plan.digest, comparisons });
  },
});
