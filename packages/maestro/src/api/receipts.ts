import { MaestroError } from "../core/problem.ts";
import { integer, optional } from "./field.ts";
import { findRun } from "./find-run.ts";
import { bytes } from "./respond.ts";
import { route } from "./route.ts";

export const getReceipt = route({
  method: "GET",
  path: "/v1/runs/{run}/receipt",
  operation: "getRunReceipt",
  summary:
    "The run's signed receipt, a Sigstore bundle. A retried run has several: the newest, or the one with that ordinal.",
  query: { ordinal: optional(integer("1 is the first.", { min: 1, max: 1_000_000 })) },
  answers: [
    {
      status: 200,
      type: "application/vnd.dev.sigstore.bundle.v0.3+json",
      description: "The bundle; `maestro-receipt-digest` and `maestro-receipt-ordinal` say which.",
    },
  ],
  async handle({ store }, { params, query }) {
    const run = await findRun(store, params.run);
    const receipt = await store.receiptGet(run.id, query.ordinal);
    if (receipt === undefined) {
      const why =
        query.ordinal !== undefined
          ? `Run ${run.id} has no receipt number ${query.ordinal}.`
          : `Run ${run.id} has no receipt; it is ${run.status}.`;
      throw new MaestroError("not_found", why, {
        fix: `A run has its receipt when it ends: \`maestro watch ${run.id}\`.`,
      });
    }
    return bytes(new TextEncoder().encode(receipt.bundle), "application/vnd.dev.sigstore.bundle.v0.3+json", {
      "maestro-receipt-digest": receipt.digest,
      "maestro-receipt-ordinal": String(receipt.ordinal),
      "maestro-run": run.id,
    });
  },
});
