import { performance } from "node:perf_hooks";
import { each, one } from "./metric.ts";
import type { Metric } from "./metric.ts";
import { POLICY } from "./metrics-policy.ts";
import type { Snapshot } from "./snapshot.ts";

type Table = readonly Metric<Snapshot>[];

const RUNS: Table = [
  {
    name: "maestro_runs_created_total",
    type: "counter",
    help: "Runs that were recorded, denied ones included.",
    labels: ["namespace", "workflow"],
    *read({ engine }) {
      for (const { namespace, workflow, created } of engine.stats.workflows.values())
        yield { labels: { namespace, workflow }, value: created };
    },
  },
  {
    name: "maestro_runs_ended_total",
    type: "counter",
    help: "Runs that ended, by how. A run that is retried ends more than once.",
    labels: ["namespace", "workflow", "status"],
    *read({ engine }) {
      for (const { namespace, workflow, ended } of engine.stats.workflows.values())
        for (const [status, value] of Object.entries(ended)) yield { labels: { namespace, workflow, status }, value };
    },
  },
  one({
    name: "maestro_runs_active",
    type: "gauge",
    help: "Runs in memory: those that work, or will within seconds.",
    value: ({ engine }) => engine.pressure.load().activeRuns,
  }),
  one({
    name: "maestro_runs_active_limit",
    type: "gauge",
    help: "Beyond so many runs in memory a start is refused.",
    value: ({ engine }) => engine.parts.limits.activeRuns,
  }),
  one({
    name: "maestro_runs_asleep",
    type: "gauge",
    help: "Runs that wait for a time, a signal or a person and have left memory.",
    value: ({ asleep }) => asleep,
  }),
  one({
    name: "maestro_timers",
    type: "gauge",
    help: "Timers that are set for runs in memory.",
    value: ({ engine }) => engine.live.timersSet,
  }),
  one({
    name: "maestro_receipts_sealed_total",
    type: "counter",
    help: "Receipts that were signed and stored.",
    value: ({ engine }) => engine.stats.receipts,
  }),
  one({
    name: "maestro_approvals_open",
    type: "gauge",
    help: "Approvals that wait for an answer.",
    value: ({ openApprovals }) => openApprovals,
  }),
  one({
    name: "maestro_approvals_requested_total",
    type: "counter",
    help: "Approvals that were asked for.",
    value: ({ engine }) => engine.stats.approvals.requested,
  }),
  each("verdict", {
    name: "maestro_approval_answers_total",
    type: "counter",
    help: "Answers to approvals; `expired` where none came in time.",
    values: ({ engine }) => {
      const { approve, deny, expired } = engine.stats.approvals;
      return { approve, deny, expired };
    },
  }),
  {
    name: "maestro_decisions_total",
    type: "counter",
    help: "Answers of the gate, to the start of a run and to tasks with effects.",
    labels: ["action", "outcome"],
    *read({ engine }) {
      for (const [action, counts] of Object.entries(engine.stats.decisions))
        for (const [outcome, value] of Object.entries(counts)) yield { labels: { action, outcome }, value };
    },
  },
];

const TASKS: Table = [
  {
    name: "maestro_task_attempts_total",
    type: "counter",
    help: "Attempts that ended, by task type and outcome; child runs as the type `runbook`.",
    labels: ["type", "outcome"],
    *read({ engine }) {
      for (const { type, outcomes } of engine.stats.types.values())
        for (const [outcome, value] of Object.entries(outcomes)) yield { labels: { type, outcome }, value };
    },
  },
  {
    name: "maestro_task_retries_total",
    type: "counter",
    help: "Failed attempts after which another one was planned.",
    labels: ["type"],
    *read({ engine }) {
      for (const { type, retries } of engine.stats.types.values()) yield { labels: { type }, value: retries };
    },
  },
  each("slot", {
    name: "maestro_attempts_running",
    type: "gauge",
    help: "Attempts at work: `inline` in the engine's process, `process` as commands, `resident` in programs that stay.",
    values: ({ engine: { attempts } }) => ({
      inline: attempts.inSlot("inline"),
      process: attempts.inSlot("process"),
      resident: attempts.inSlot("resident"),
    }),
  }),
  each("slot", {
    name: "maestro_attempts_running_limit",
    type: "gauge",
    help: "So many attempts may be at work at once; others wait.",
    values: ({ engine: { parts } }) => ({
      inline: parts.limits.inline,
      process: parts.limits.process,
      resident: parts.limits.resident,
    }),
  }),
  one({
    name: "maestro_dispatch_delay_seconds",
    type: "histogram",
    help: "From a step that waits for nothing but a slot to the start of its first attempt.",
    value: ({ engine }) => engine.stats.dispatchSeconds,
  }),
  one({
    name: "maestro_steps_cached_total",
    type: "counter",
    help: "Steps whose result was taken from the cache.",
    value: ({ engine }) => engine.stats.cached,
  }),
];

const ENGINE: Table = [
  one({
    name: "maestro_turn_duration_seconds",
    type: "histogram",
    help: "Turns of the engine that changed something, their commit included.",
    value: ({ engine }) => engine.stats.turnSeconds,
  }),
  one({
    name: "maestro_commit_duration_seconds",
    type: "histogram",
    help: "Commits: from the encoding of events and the signing of receipts to the disk's answer.",
    value: ({ engine }) => engine.stats.commitSeconds,
  }),
  one({
    name: "maestro_turns_failed_total",
    type: "counter",
    help: "Turns that could not be made durable and were tried again.",
    value: ({ engine }) => engine.stats.failedTurns,
  }),
  one({
    name: "maestro_engine_stalled",
    type: "gauge",
    help: "1 while the engine waits for a store that fails.",
    value: ({ engine }) => (engine.pressure.stalledUntil > engine.parts.clock.now() ? 1 : 0),
  }),
  one({
    name: "maestro_events_committed_total",
    type: "counter",
    help: "Events that were added to histories.",
    value: ({ engine }) => engine.stats.events,
  }),
  each("queue", {
    name: "maestro_queue_depth",
    type: "gauge",
    help: "What waits for the engine's next turn: `messages` to runs, `starts` of new ones, `postponed` work of its own.",
    values: ({ engine: { pressure, starts, effects } }) => ({
      messages: pressure.load().waiting - starts.waiting,
      starts: starts.waiting,
      postponed: effects.waiting,
    }),
  }),
  one({
    name: "maestro_queue_depth_limit",
    type: "gauge",
    help: "Beyond so many messages and starts together, requests are refused.",
    value: ({ engine }) => engine.parts.limits.mailbox,
  }),
  each("limit", {
    name: "maestro_overload_refusals_total",
    type: "counter",
    help: "Requests that were refused as `overloaded`, by the limit that was reached.",
    values: ({ engine }) => engine.pressure.refused,
  }),
];

const PLANE: Table = [
  {
    name: "maestro_http_request_duration_seconds",
    type: "histogram",
    help: "Requests to the API until their answer began, by route, whatever way they came.",
    labels: ["route", "method", "status"],
    *read({ requests }) {
      for (const { route, method, status, histogram } of requests.all())
        yield { labels: { route, method, status: String(status) }, value: histogram };
    },
  },
  one({
    name: "maestro_http_streams_open",
    type: "gauge",
    help: "Answers that go on: followed events and logs.",
    value: ({ requests }) => requests.streams,
  }),
  each("reason", {
    name: "maestro_identity_refusals_total",
    type: "counter",
    help: "Requests, logins and links that proved to be nobody's, by why; docs/guides/identity.md explains each.",
    values: ({ refusals }) => Object.fromEntries(refusals),
  }),
  each("file", {
    name: "maestro_store_size_bytes",
    type: "gauge",
    help: "The database and its write-ahead log.",
    values: ({ files }) => files,
  }),
  one({
    name: "maestro_disk_free_bytes",
    type: "gauge",
    help: "Free space where the data directory lies.",
    value: ({ diskFree }) => diskFree,
  }),
  one({
    name: "maestro_ledger_entries",
    type: "gauge",
    help: "Entries of the ledger. Fewer than before: a backup was restored, or somebody rewrote it.",
    value: ({ ledgerSize }) => ledgerSize,
  }),
  {
    name: "maestro_witness_entries",
    type: "gauge",
    help: "Entries of the newest checkpoint that a witness cosigned.",
    labels: ["witness"],
    read: ({ witnesses }) => witnesses.map(({ name, size }) => ({ labels: { witness: name }, value: size })),
  },
  {
    name: "maestro_witness_refuses",
    type: "gauge",
    help: "1 while a witness refuses the ledger because it has seen another one; that is the alarm that witnesses are for.",
    labels: ["witness"],
    read: ({ witnesses }) =>
      witnesses.map(({ name, outcome }) => ({ labels: { witness: name }, value: outcome === "refused" ? 1 : 0 })),
  },
  each("outcome", {
    name: "maestro_trace_spans_total",
    type: "counter",
    help: "Spans that were exported, that the receiver did not take, and that were dropped because too many waited.",
    values: ({ spans }) =>
      spans === undefined ? {} : { exported: spans.exported, failed: spans.failed, dropped: spans.dropped },
  }),
  each("level", {
    name: "maestro_log_lines_total",
    type: "counter",
    help: "Lines that were logged, also those below the level that is shown.",
    values: ({ logs }) => logs,
  }),
  {
    name: "maestro_build_info",
    type: "gauge",
    help: "1, with the versions as labels.",
    labels: ["version", "node"],
    read: ({ version }) => [{ labels: { version, node: process.versions.node }, value: 1 }],
  },
];

/** Under the names that every process has them by. */
const PROCESS: Table = [
  one({
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "CPU time of the process, its threads included and its commands not.",
    value: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  }),
  one({
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Memory that the process holds.",
    value: () => process.memoryUsage.rss(),
  }),
  one({
    name: "process_start_time_seconds",
    type: "gauge",
    help: "When the process started, since 1970.",
    value: ({ startedAt }) => startedAt / 1000,
  }),
  one({
    name: "process_open_fds",
    type: "gauge",
    help: "Open files and connections.",
    value: ({ openFiles }) => openFiles,
  }),
  one({
    name: "nodejs_heap_size_used_bytes",
    type: "gauge",
    help: "JavaScript objects, those that are garbage already included.",
    value: () => process.memoryUsage().heapUsed,
  }),
  each("state", {
    name: "nodejs_eventloop_seconds_total",
    type: "counter",
    help: "Time of the event loop at work and at rest; at work all the time means that one core is full.",
    values: () => {
      const { active, idle } = performance.eventLoopUtilization();
      return { active: active / 1000, idle: idle / 1000 };
    },
  }),
];

/** Every metric, in groups with a title: `GET /metrics` and docs/reference/metrics.md are made from it. */
export const METRIC_GROUPS: readonly { readonly title: string; readonly metrics: Table }[] = [
  { title: "Runs", metrics: RUNS },
  { title: "Tasks", metrics: TASKS },
  { title: "The engine", metrics: ENGINE },
  { title: "The policy", metrics: POLICY },
  { title: "The control plane", metrics: PLANE },
  { title: "The process", metrics: PROCESS },
];

export const METRICS: Table = METRIC_GROUPS.flatMap(({ metrics }) => metrics);
