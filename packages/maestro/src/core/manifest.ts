import { parseDuration } from "./duration.ts";
import type { Diagnostic, Path } from "./diagnostic.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { MANIFEST_SCHEMA } from "./manifest-schema.ts";
import type { CommandLimits, RetryPolicy } from "./plan.ts";
import type { RuleId } from "./rules.ts";
import { checkValue, type SchemaIssue } from "./schema-check.ts";
import { resolveRef } from "./schema-types.ts";
import { parseSize } from "./size.ts";
import type { RunbookRef, Trigger, UseRef, Workflow, WorkflowTask } from "./workflow.ts";

/**
 * A manifest's value as a workflow, or everything that keeps it from being one. Checks form: fields, types, ranges,
 * units. What names mean is the compiler's business (compile.ts). Pure, and total over JSON values.
 */
export function parseManifest(
  value: JsonValue,
): { readonly workflow: Workflow } | { readonly problems: readonly Diagnostic[] } {
  const problems = checkValue(value, MANIFEST_SCHEMA).map(toDiagnostic);
  if (problems.length === 0) checkUnits(value, MANIFEST_SCHEMA, [], problems);
  if (problems.length > 0 || !isJsonObject(value)) return { problems };
  return { workflow: build(value) };
}

function toDiagnostic(issue: SchemaIssue): Diagnostic {
  const rule: RuleId =
    issue.kind === "unknown" ? "WF010" : issue.kind === "missing" ? "WF013" : isVersion(issue.path) ? "WF014" : "WF011";
  const name = nameOf(issue.path);
  const isName = issue.message.includes("cannot be a name here");
  const message = issue.kind === "unknown" || isName ? issue.message : `${name} ${issue.message}`;
  const fix =
    issue.name === undefined
      ? undefined
      : issue.kind === "missing"
        ? `add \`${issue.name}\``
        : `did you mean \`${issue.name}\`?`;
  return {
    rule,
    severity: "error",
    path: issue.path,
    ...(issue.kind === "unknown" || isName ? { key: true } : {}),
    message,
    ...(fix === undefined ? {} : { fix }),
  };
}

function isVersion(path: Path): boolean {
  return path.length === 1 && (path[0] === "apiVersion" || path[0] === "kind");
}

function nameOf(path: Path): string {
  if (path.length === 0) return "the manifest";
  const last = path.at(-1);
  return typeof last === "number" ? `element ${last} of \`${String(path.at(-2) ?? "")}\`` : `\`${last}\``;
}

/** Durations and sizes that have the right form but no value: `99999w`, units out of order. */
function checkUnits(value: JsonValue, given: JsonObject, path: Path, problems: Diagnostic[]): void {
  const schema = resolveRef(given, MANIFEST_SCHEMA);
  if (typeof value === "string") {
    if (isDuration(schema) && parseDuration(value) === undefined)
      problems.push(unit(path, "is no duration such as 30s or 1h30m, or is longer than 100 years"));
    if (isSize(schema) && parseSize(value) === undefined)
      problems.push(unit(path, "is no size such as 512MiB, or is too large"));
    return;
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    if (isJsonObject(items))
      (value as readonly JsonValue[]).forEach((element, i) => checkUnits(element, items, [...path, i], problems));
    return;
  }
  if (!isJsonObject(value)) return;
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  for (const [key, member] of Object.entries(value)) {
    const sub = Object.hasOwn(properties, key) ? properties[key] : schema["additionalProperties"];
    if (isJsonObject(sub)) checkUnits(member, sub, [...path, key], problems);
  }
}

function unit(path: Path, message: string): Diagnostic {
  return { rule: "WF011", severity: "error", path, message: `${nameOf(path)} ${message}` };
}

function isDuration(schema: JsonObject): boolean {
  return typeof schema["pattern"] === "string" && schema["pattern"].startsWith("^([0-9]+w)?");
}

function isSize(schema: JsonObject): boolean {
  return typeof schema["pattern"] === "string" && schema["pattern"].includes("KiB");
}

// From here on the value has passed the schema, so each cast below states what the schema has checked.

type Fields = Readonly<Record<string, JsonValue | undefined>>;

function build(manifest: JsonObject): Workflow {
  const metadata = manifest["metadata"] as Fields;
  const spec = manifest["spec"] as Fields;
  const budget = spec["budget"] as Fields | undefined;
  const concurrency = spec["concurrency"] as Fields | undefined;
  return {
    metadata: {
      namespace: (metadata["namespace"] as string | undefined) ?? "default",
      name: metadata["name"] as string,
      version: (metadata["version"] as string | undefined) ?? "0.0.0",
      ...optional("description", metadata["description"] as string | undefined),
      labels: (metadata["labels"] as Record<string, string> | undefined) ?? {},
    },
    type: (spec["type"] as Workflow["type"] | undefined) ?? "ops",
    purposes: spec["purposes"] as readonly string[],
    authority: { required: (spec["authority"] as Fields | undefined)?.["required"] === true },
    license: (spec["license"] as string | undefined) ?? "internal",
    inputs: inputSchema((spec["inputs"] as JsonObject | undefined) ?? {}),
    ...(budget === undefined
      ? {}
      : {
          budget: {
            ...optional("wallMs", ms(budget["wall"])),
            ...optional("tasks", budget["tasks"] as number | undefined),
            ...optional(
              "usdMicros",
              budget["usd"] === undefined ? undefined : Math.round((budget["usd"] as number) * 1e6),
            ),
          },
        }),
    ...(concurrency === undefined
      ? {}
      : {
          concurrency: {
            key: concurrency["key"] as string,
            max: (concurrency["max"] as number | undefined) ?? 1,
            onConflict: (concurrency["onConflict"] as "queue" | undefined) ?? "queue",
          },
        }),
    onFailure: (spec["onFailure"] as "stop" | undefined) ?? "stop",
    tasks: [...buildTasks(spec["tasks"], "main"), ...buildTasks(spec["finally"], "finally")],
    outputs: (spec["outputs"] as JsonObject | undefined) ?? {},
    triggers: ((spec["triggers"] as readonly JsonObject[] | undefined) ?? []).map(buildTrigger),
  };
}

/** The inputs as one JSON Schema; `optional` is ours and becomes absence from `required`. */
function inputSchema(inputs: JsonObject): JsonObject {
  const properties: Record<string, JsonValue> = {};
  const required: string[] = [];
  for (const [name, given] of Object.entries(inputs)) {
    const { optional, ...schema } = given as JsonObject;
    properties[name] = schema;
    if (optional !== true && schema["default"] === undefined) required.push(name);
  }
  return { type: "object", properties, required, additionalProperties: false };
}

function buildTasks(tasks: JsonValue | undefined, phase: "main" | "finally"): WorkflowTask[] {
  return isJsonObject(tasks) ? Object.entries(tasks).map(([id, task]) => buildTask(id, phase, task as Fields)) : [];
}

function buildTask(id: string, phase: "main" | "finally", task: Fields): WorkflowTask {
  const forEach = task["forEach"] as Fields | undefined;
  const timeout = task["timeout"] as Fields | undefined;
  const until = task["until"] as Fields | undefined;
  const cache = task["cache"] as Fields | undefined;
  const undo = task["undo"] as Fields | undefined;
  const identity = task["identity"] as Fields | undefined;
  return {
    id,
    phase,
    ...optional("description", task["description"] as string | undefined),
    uses: parseUse(task["uses"] as string),
    needs: (task["needs"] as readonly string[] | undefined) ?? [],
    with: (task["with"] as JsonObject | undefined) ?? {},
    ...optional("when", task["when"] as string | undefined),
    ...(forEach === undefined
      ? {}
      : {
          forEach: {
            items: forEach["items"] as string,
            as: (forEach["as"] as string | undefined) ?? "value",
            max: (forEach["max"] as number | undefined) ?? 10,
            onItemFailure: (forEach["onItemFailure"] as "stop" | undefined) ?? "stop",
          },
        }),
    ...(task["retry"] === undefined ? {} : { retry: buildRetry(task["retry"] as Fields) }),
    ...(timeout === undefined
      ? {}
      : {
          timeout: {
            ...optional("queueMs", ms(timeout["queue"])),
            ...optional("runMs", ms(timeout["run"])),
            ...optional("heartbeatMs", ms(timeout["heartbeat"])),
          },
        }),
    ...(until === undefined
      ? {}
      : {
          until: {
            condition: until["condition"] as string,
            everyMs: ms(until["every"]) ?? 30_000,
            max: (until["max"] as number | undefined) ?? 60,
          },
        }),
    continueOnError: task["continueOnError"] === true,
    ...(cache === undefined
      ? {}
      : {
          cache: {
            ...optional("key", cache["key"]),
            ...optional("ttlMs", ms(cache["ttl"])),
            ...optional("files", cache["files"] as readonly string[] | undefined),
          },
        }),
    ...(task["approvals"] === undefined ? {} : { approvals: buildApprovals(task["approvals"] as Fields) }),
    secrets: (task["secrets"] as Record<string, string> | undefined) ?? {},
    ...(identity === undefined
      ? {}
      : { identity: { audiences: (identity["audiences"] as readonly string[]).toSorted() } }),
    sensitive: task["sensitive"] === true,
    ...(task["runner"] === undefined ? {} : { runner: buildRunner(task["runner"] as Fields) }),
    artifacts: (task["artifacts"] as readonly string[] | undefined) ?? [],
    ...(undo === undefined
      ? {}
      : { undo: { uses: parseUse(undo["uses"] as string), with: (undo["with"] as JsonObject | undefined) ?? {} } }),
  };
}

function buildRetry(retry: Fields): RetryPolicy {
  const backoff = (retry["backoff"] as Fields | undefined) ?? {};
  return {
    attempts: (retry["attempts"] as number | undefined) ?? 1,
    initialMs: ms(backoff["initial"]) ?? 1000,
    factor: (backoff["factor"] as number | undefined) ?? 2,
    maxMs: ms(backoff["max"]) ?? 60_000,
    jitter: (backoff["jitter"] as "full" | undefined) ?? "full",
    ...optional("on", retry["on"] as string | undefined),
    onLost: (retry["onLost"] as "retry" | undefined) ?? "retry",
  };
}

function buildApprovals(approvals: Fields): NonNullable<WorkflowTask["approvals"]> {
  return {
    count: (approvals["count"] as number | undefined) ?? 1,
    roles: (approvals["roles"] as readonly string[] | undefined) ?? [],
    notRequester: approvals["notRequester"] !== false,
    expiresMs: ms(approvals["expires"]) ?? 86_400_000,
    ...optional("message", approvals["message"]),
  };
}

function buildRunner(runner: Fields): NonNullable<WorkflowTask["runner"]> {
  const limits = runner["limits"] as Fields | undefined;
  return {
    kind: "process",
    sandbox: (runner["sandbox"] as "preferred" | undefined) ?? "preferred",
    ...(limits === undefined ? {} : { limits: buildLimits(limits) }),
  };
}

function buildLimits(limits: Fields): CommandLimits {
  const cpu = ms(limits["cpu"]);
  return {
    ...optional("memoryBytes", bytes(limits["memory"])),
    ...optional("cpuSeconds", cpu === undefined ? undefined : Math.max(1, Math.ceil(cpu / 1000))),
    ...optional("fileBytes", bytes(limits["file"])),
    ...optional("processes", limits["processes"] as number | undefined),
  };
}

function buildTrigger(trigger: JsonObject): Trigger {
  const schedule = trigger["schedule"] as Fields;
  return {
    schedule: {
      cron: schedule["cron"] as string,
      timezone: (schedule["timezone"] as string | undefined) ?? "UTC",
      catchUp: (schedule["catchUp"] as "latest" | undefined) ?? "latest",
      overlap: (schedule["overlap"] as "skip" | undefined) ?? "skip",
      jitterMs: ms(schedule["jitter"]) ?? 0,
    },
    inputs: (trigger["inputs"] as JsonObject | undefined) ?? {},
    ...optional("purpose", trigger["purpose"] as string | undefined),
  };
}

/** The text has passed the schema's pattern. */
function parseUse(text: string): UseRef {
  const at = text.lastIndexOf("@");
  if (!text.startsWith("runbook:"))
    return { kind: "type", name: text.slice(0, at), version: Number(text.slice(at + 1)) };
  const rest = text.slice("runbook:".length);
  if (rest.startsWith("sha256:")) return { kind: "runbook", ref: { digest: rest as `sha256:${string}` } };
  const slash = rest.indexOf("/");
  const ref: RunbookRef = {
    namespace: rest.slice(0, slash),
    name: rest.slice(slash + 1, rest.lastIndexOf("@")),
    version: rest.slice(rest.lastIndexOf("@") + 1),
  };
  return { kind: "runbook", ref };
}

function ms(value: JsonValue | undefined): number | undefined {
  return typeof value === "string" ? parseDuration(value) : undefined;
}

function bytes(value: JsonValue | undefined): number | undefined {
  return typeof value === "string" ? parseSize(value) : undefined;
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}
