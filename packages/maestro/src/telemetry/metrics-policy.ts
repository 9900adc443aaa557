import type { ShadowCounts } from "../policy/shadow.ts";
import { one } from "./metric.ts";
import type { Metric } from "./metric.ts";

/** What is counted of the policy. */
export interface PolicyNumbers {
  readonly shadows: { readonly counts: ReadonlyMap<string, Readonly<ShadowCounts>> };
  readonly breakGlass: { readonly current: readonly unknown[] };
  /** Notices that wait to be delivered. */
  readonly notices: { readonly waiting: number };
}

export const POLICY: readonly Metric<{ readonly policy: PolicyNumbers }>[] = [
  {
    name: "maestro_policy_shadow_total",
    type: "counter",
    help: "Answers of policies on trial, against the one that is enforced: `agreed`, `differed`; besides, how many `failed` or came too `late` to be recorded.",
    labels: ["engine", "outcome"],
    *read({ policy: { shadows } }) {
      for (const [engine, counts] of shadows.counts)
        for (const [outcome, value] of Object.entries(counts)) yield { labels: { engine, outcome }, value };
    },
  },
  one({
    name: "maestro_break_glass_open",
    type: "gauge",
    help: "Times in which somebody goes past the policy, open now.",
    value: ({ policy }) => policy.breakGlass.current.length,
  }),
  one({
    name: "maestro_policy_notices_waiting",
    type: "gauge",
    help: "Notices of policies that wait to be delivered.",
    value: ({ policy }) => policy.notices.waiting,
  }),
];
