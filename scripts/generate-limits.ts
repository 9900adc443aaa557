// Writes docs/reference/limits.md from the tables of limits in the code. A test keeps the two equal; a new limit without
// a sentence here does not compile.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MAX_ITEMS } from "../packages/maestro/src/core/decide-task.ts";
import { DEFAULT_NETWORK } from "../packages/maestro/src/api/network-settings.ts";
import { NETWORK_LIMITS } from "../packages/maestro/src/api/listen.ts";
import type { NetworkLimits } from "../packages/maestro/src/api/listen.ts";
import { RESCAN_MS, SETTLE_MS } from "../packages/maestro/src/catalog/folder.ts";
import { FOLDER_LIMITS } from "../packages/maestro/src/catalog/scan-folder.ts";
import { isJsonObject } from "../packages/maestro/src/core/json.ts";
import type { JsonValue } from "../packages/maestro/src/core/json.ts";
import { MANIFEST_SCHEMA } from "../packages/maestro/src/core/manifest-schema.ts";
import { EXPRESSION_LIMITS } from "../packages/maestro/src/core/meter.ts";
import type { CommandLimits } from "../packages/maestro/src/core/plan.ts";
import { MAX_LISTED, MAX_ARTIFACTS as MAX_SUBJECTS } from "../packages/maestro/src/core/receipt.ts";
import { DEFAULT_LIMITS, FORCE_AFTER_MS } from "../packages/maestro/src/engine/limits.ts";
import type { Limits } from "../packages/maestro/src/engine/limits.ts";
import { TOKEN_SECONDS } from "../packages/maestro/src/identity/token.ts";
import { TOKEN_LIMITS } from "../packages/maestro/src/identity/token-socket.ts";
import { FETCH_LIMITS } from "../packages/maestro/src/identity/fetch-json.ts";
import { CODE_LIMITS } from "../packages/maestro/src/identity/login-codes.ts";
import { KEY_LIMITS } from "../packages/maestro/src/identity/provider.ts";
import { MAX_TOKEN_LENGTH, SESSION_LIMITS } from "../packages/maestro/src/identity/settings.ts";
import { SOURCE_LIMITS } from "../packages/maestro/src/manifest/scan.ts";
import { AUDIT_LIMITS } from "../packages/maestro/src/provenance/audit.ts";
import { MAX_REPLY_BYTES } from "../packages/maestro/src/provenance/timestamp/verify.ts";
import { MAX_LOGS } from "../packages/maestro/src/provenance/witness/folder.ts";
import { WITNESS_SETTINGS_LIMITS } from "../packages/maestro/src/provenance/witness/settings.ts";
import { WITNESS_LIMITS } from "../packages/maestro/src/api/witness-server.ts";
import { MAX_RECEIPT_BYTES } from "../packages/maestro/src/provenance/check-signed.ts";
import { MAX_OUTPUT_BYTES } from "../packages/maestro/src/runner/attempt.ts";
import { MAX_DETAILS_CHARACTERS, MAX_ERROR_CHARACTERS } from "../packages/maestro/src/runner/keep-error.ts";
import { DEFAULT_LIMITS as COMMAND_LIMITS } from "../packages/maestro/src/runner/limits.ts";
import { BREAK_GLASS_LIMITS } from "../packages/maestro/src/policy/break-glass.ts";
import { MAX_BUNDLES } from "../packages/maestro/src/policy/cedar.ts";
import { PROTOCOL_LIMITS } from "../packages/maestro/src/task/external-protocol.ts";
import { BREAK_GLASS, POLICIES } from "./policy-limits.ts";

export const limitsPath = fileURLToPath(new URL("../docs/reference/limits.md", import.meta.url));

type Row = readonly [what: string, limit: string, beyond: string];
type Meaning = readonly [what: string, unit: "count" | "bytes" | "ms", beyond: string];

const ENGINE: Readonly<Record<keyof Limits, Meaning>> = {
  running: ["attempts at work at once", "count", "they wait their turn, fairly among namespaces"],
  runningPerNamespace: ["… of one namespace", "count", "they wait their turn"],
  inline: ["… of task types that compute in the engine's process", "count", "they wait their turn"],
  process: ["… of task types that start commands", "count", "they wait their turn; `timeout.queue` bounds it"],
  resident: ["… in [programs](task-protocol.md) that stay and have room for so many", "count", "they wait their turn"],
  mailbox: ["requests that wait for the engine's next turn", "count", "`overloaded`"],
  activeRuns: ["runs in memory, those that sleep not counted", "count", "a start is refused: `overloaded`"],
  inputBytes: ["inputs of a run, as JSON", "bytes", "`payload_too_large`"],
  signalBytes: ["payload of a signal, as JSON", "bytes", "`payload_too_large`"],
  inlineBytes: ["a value in the database", "bytes", "it lies in the blob store"],
  turn: ["messages in one turn", "count", "the next turn takes the rest"],
  starts: ["new runs in one turn", "count", "the next turn takes the rest"],
  rounds: ["steps of a run that only compute, one after another in one turn", "count", "the next turn goes on"],
  turnMs: ["a turn that begins further rounds", "ms", "it is made durable; the next turn goes on"],
  overlap: [
    "requests and results that wait, from which a turn is decided while the one before it is being written",
    "count",
    "with fewer, it waits until that one is durable",
  ],
  evictAfterMs: ["a run waits in memory", "ms", "it leaves memory until it is due"],
  prefetchMs: ["a sleeping run is loaded before it is due", "ms", ""],
  prefetchRuns: ["… so many at a time", "count", "the next round takes the rest"],
  graceMs: ["from SIGTERM to SIGKILL, on cancel and timeout", "ms", "the whole tree of processes is killed"],
  depth: ["child runs inside one another", "count", "the task that would start one more fails"],
};

const NETWORK: Readonly<Record<keyof NetworkLimits, Meaning>> = {
  connections: ["open connections", "count", "503 and the end of the connection"],
  requests: ["requests that are being answered", "count", "503 with `Retry-After`"],
  streams: ["live answers: events and logs that are followed", "count", "503 with `Retry-After`"],
  headerBytes: ["address and headers of a request", "bytes", "431"],
  headersMs: ["until the headers are there", "ms", "408"],
  requestMs: ["until the body is there", "ms", "408"],
  idleMs: ["a connection without a request", "ms", "it is closed"],
  stallMs: [
    "a reader takes nothing of its answer",
    "ms",
    "it is cut off; an event stream goes on with `Last-Event-ID`",
  ],
  proveMs: [
    "between two looks at who follows a live answer",
    "ms",
    "of who is nobody any more, or has other roles, it ends",
  ],
};

const SOURCE: Readonly<Record<keyof typeof SOURCE_LIMITS, Meaning>> = {
  bytes: ["a manifest", "bytes", "[WF002](lint-rules.md#wf002)"],
  depth: ["levels of nesting", "count", "[WF006](lint-rules.md#wf006)"],
  tokens: ["keys, values, brackets and dashes", "count", "[WF002](lint-rules.md#wf002)"],
};

const EXPRESSION: Readonly<Record<keyof typeof EXPRESSION_LIMITS, string>> = {
  sourceLength: "characters of one expression",
  depth: "levels of nesting; `a.b.c` and `a + b + c` are one",
  chain: "links of one chain such as `a + b + c`",
  nodes: "parts of one expression, loops written out",
  steps: "steps of one evaluation: loop rounds, calls, comparisons",
  stringLength: "characters of a text that an expression builds",
  resultSize: "characters of JSON that an expression builds",
  pattern: "characters of a regular expression",
};

const FOLDER: Readonly<Record<keyof typeof FOLDER_LIMITS, Meaning>> = {
  manifests: ["manifests", "count", "those after it are not read; told as a problem of the folder"],
  entries: [
    "files and folders that are looked at",
    "count",
    "the rest is not looked at; told as a problem of the folder",
  ],
  depth: ["folders inside one another", "count", "deeper ones are not read; told as a problem of the folder"],
  bytes: ["all manifests together", "bytes", "a file that is too much is told and not read"],
  watched: ["folders whose changes are told at once", "count", "changes in others are found by the next look"],
};

/** Places of the manifest's schema whose limits are worth a line; the rest is in manifest.md. */
const PLACES: readonly (readonly [path: string, what: string])[] = [
  ["properties/spec/properties/tasks/maxProperties", "tasks of a runbook"],
  ["properties/spec/properties/inputs/maxProperties", "inputs of a runbook"],
  ["properties/spec/properties/outputs/maxProperties", "outputs of a runbook"],
  ["$defs/task/properties/needs/maxItems", "`needs` of a task"],
  ["$defs/task/properties/forEach/properties/max/maximum", "items of one fan-out at work at once (`max`)"],
  ["$defs/task/properties/retry/properties/attempts/maximum", "tries of a step (`retry.attempts`)"],
  ["$defs/task/properties/until/properties/max/maximum", "rounds of `until` (`max`)"],
  ["properties/spec/properties/budget/properties/tasks/maximum", "attempts of a run (`budget.tasks`)"],
];

const TOKENS: Readonly<Record<keyof typeof TOKEN_LIMITS, Meaning>> = {
  connections: ["connections to the socket of an attempt at once", "count", "a further one is closed"],
  headerBytes: ["headers of a request for a token", "bytes", "431"],
  requestMs: ["until such a request is whole", "ms", "408"],
  perMinute: ["requests of an attempt in a minute", "count", "429 with `Retry-After`"],
};

const COMMAND: Readonly<Record<keyof CommandLimits, readonly [what: string, unit: "count" | "bytes" | "s"]>> = {
  memoryBytes: ["`memory` of its whole tree of processes", "bytes"],
  cpuSeconds: ["`cpu` time of the tree", "s"],
  fileBytes: ["the largest `file` it may write", "bytes"],
  processes: ["`processes` and threads", "count"],
};

const PROVIDER: Readonly<Record<keyof typeof FETCH_LIMITS, Meaning>> = {
  bytes: ["an answer of an identity provider", "bytes", "nobody comes in by it: `issuer_unreachable`"],
  ms: ["until such an answer is whole", "ms", "nobody comes in by it: `issuer_unreachable`"],
};

const KEYS: Readonly<Record<keyof typeof KEY_LIMITS, Meaning>> = {
  maxAgeMs: ["a provider's keys are kept", "ms", "they are asked for again"],
  cooldownMs: ["a key that is not among them makes us ask again", "ms", "not more often: the token is refused"],
  retryMs: ["a provider that did not answer is asked again", "ms", "not more often: `issuer_unreachable`"],
  keys: ["keys of one provider", "count", "nobody comes in by it: `issuer_unreachable`"],
};

const SESSION: Readonly<Record<keyof typeof SESSION_LIMITS, Meaning>> = {
  perSubject: ["sessions of one caller at once", "count", "`limit_exceeded`"],
  seenEveryMs: ["a session's last use is written down", "ms", "not more often"],
  keptMs: ["a session that is over stays on record", "ms", "it is removed"],
  labelLength: ["characters of its label", "count", "`invalid_request`"],
};

const CODES: Readonly<Record<keyof typeof CODE_LIMITS, Meaning>> = {
  lastsMs: ["a login link is good", "ms", "it lets nobody in"],
  open: ["login links at once", "count", "`limit_exceeded`"],
};

const PROGRAM: Readonly<Record<keyof typeof PROTOCOL_LIMITS, Meaning>> = {
  messageBytes: ["a message of the [task protocol](task-protocol.md)", "bytes", "the attempt fails with `LIMIT`"],
  startBytes: ["… until the program has described itself", "bytes", "the attempt fails with `PROGRAM_START`"],
  startMs: ["from the start of a program to its description", "ms", "the attempt fails with `PROGRAM_START`"],
  concurrency: ["attempts at once that a program may ask for in one process", "count", "`PROTOCOL`"],
  processes: ["processes of one type", "count", "attempts wait their turn"],
  idleMs: ["a process stays without an attempt", "ms", "it is told to end"],
  shutdownMs: ["from `shutdown` to SIGKILL", "ms", "the whole tree of processes is killed"],
  unreadBytes: ["messages that a program does not read", "bytes", "`PROGRAM_DIED`"],
  events: ["events of one attempt", "count", "the attempt fails with `LIMIT`"],
  stderrBytes: ["stderr of a program in the log of one attempt", "bytes", "it is cut, and the log says so"],
};

const AUDIT: Readonly<Record<keyof typeof AUDIT_LIMITS, Meaning>> = {
  windowMs: [
    "equal reads and refusals are one entry of the [audit](../guides/audit.md) within",
    "ms",
    "a new entry begins",
  ],
  perSource: ["different ones of one caller in that time", "count", "the rest is one entry with a number"],
  perStranger: ["… of one address of which nobody knows who it is", "count", "the rest is one entry with a number"],
  strangers: ["… of all such addresses together", "count", "the rest is one entry with a number"],
  waiting: ["different ones in memory", "count", "all are written at once"],
  textBytes: ["an entry, as JSON", "bytes", "what explains it is left out, and it says so"],
  idCharacters: ["characters of a name in it", "count", "it is cut"],
};

const WITNESS: Readonly<Record<keyof typeof WITNESS_LIMITS, Meaning>> = {
  connections: [
    "open connections of a [witness](../guides/ledger-and-witness.md)",
    "count",
    "503 and the end of the connection",
  ],
  requests: ["checkpoints that are being looked at", "count", "503 with `Retry-After`"],
  bodyBytes: ["a checkpoint with its signatures and its proof", "bytes", "413"],
  headerBytes: ["headers of a request", "bytes", "431"],
  headersMs: ["until they are whole", "ms", "408"],
  requestMs: ["until a request is whole, and until its answer is read", "ms", "408, or the end of the connection"],
  idleMs: ["a connection without a request", "ms", "it is closed"],
};

const WITNESSES: Readonly<Record<keyof typeof WITNESS_SETTINGS_LIMITS, Meaning>> = {
  bytes: ["`witness.yaml`", "bytes", "`invalid_request`"],
  witnesses: ["witnesses of a ledger", "count", "`invalid_request`"],
};

function settable(): readonly (readonly string[])[] {
  const { rates, answerMs } = DEFAULT_NETWORK;
  return [
    [
      "requests of one caller in a second",
      "`identity.perSecond`",
      number(rates.identity.perSecond),
      "429 with `Retry-After`",
    ],
    ["… that are being answered", "`identity.atOnce`", number(rates.identity.atOnce), "429 with `Retry-After`"],
    ["… live answers, which go on", "`identity.streams`", number(rates.identity.streams), "429 with `Retry-After`"],
    [
      "requests in a second that prove nobody, from one address or IPv6 network",
      "`stranger.perSecond`",
      number(rates.stranger.perSecond),
      "429 with `Retry-After`",
    ],
    ["until an answer begins", "`answer`", withUnit(answerMs, "ms"), "504; what was asked for may still be done"],
  ];
}

export function limitsPage(): string {
  const engine = rows(ENGINE, DEFAULT_LIMITS);
  const source = rows(SOURCE, SOURCE_LIMITS);
  const schema = PLACES.map(([path, what]): Row => [what, number(at(path)), "[WF011](lint-rules.md#wf011)"]);
  const expressions = Object.entries(EXPRESSION).map(([name, what]): Row => [
    what,
    number(EXPRESSION_LIMITS[name as keyof typeof EXPRESSION_LIMITS]),
    "",
  ]);
  const commands = Object.entries(COMMAND).map(([name, [what, unit]]): Row => [
    what,
    withUnit(COMMAND_LIMITS[name as keyof CommandLimits], unit),
    "",
  ]);
  return `<!-- Generated by scripts/generate-limits.ts from packages/maestro/src: npm run docs -->

# Limits

Nothing grows without a limit, and what meets one is told its name. These are those of the engine and of manifests; what
belongs to one [task type](task-types.md) is told there, and what is in a manifest field [there](manifest.md).

## The engine

${table(["what", "name", "limit", "beyond it"], engine)}

An attempt that was told to stop and has not ended ${withUnit(FORCE_AFTER_MS, "ms")} after its grace is taken for ended: its run
goes on, and what the attempt still says does not count.

## The network

What \`maestro up\` gives those who come over TCP; the control socket has no such limits. A body has the limit of its operation
([openapi-v1.json](../../spec/openapi-v1.json)): 413.

${table(["what", "name", "limit", "beyond it"], [...rows(NETWORK, NETWORK_LIMITS), ...settable()])}

The last five are what \`network.yaml\` in the data directory may [set](../guides/http-api.md#limits).

## Who asks

${table(
  ["what", "name", "limit", "beyond it"],
  [
    ["characters of a token", "", MAX_TOKEN_LENGTH.toLocaleString("en"), "it is refused unread"],
    ...rows(PROVIDER, FETCH_LIMITS),
    ...rows(KEYS, KEY_LIMITS),
    ...rows(SESSION, SESSION_LIMITS),
    ...rows(CODES, CODE_LIMITS),
  ],
)}

## Policies

Cedar keeps every policy that it has read until its process ends: after ${number(MAX_BUNDLES)} different ones another is refused
(\`policy_unusable\`) until Maestro is started again.

${table(
  ["what", "name", "limit", "beyond it"],
  POLICIES.flatMap(([meanings, values]) => rows(meanings, values)),
)}

### Going past the policy

The reason has ${BREAK_GLASS_LIMITS.reasonCharacters.min} to ${number(BREAK_GLASS_LIMITS.reasonCharacters.max)} characters.

${table(["what", "name", "limit", "beyond it"], rows(BREAK_GLASS, BREAK_GLASS_LIMITS))}

## The audit and the ledger

${table(
  ["what", "name", "limit", "beyond it"],
  [
    ...rows(AUDIT, AUDIT_LIMITS),
    ...rows(WITNESSES, WITNESS_SETTINGS_LIMITS),
    ...rows(WITNESS, WITNESS_LIMITS),
    ["logs that a witness knows, by their keys", "", number(MAX_LOGS), "`invalid_request`"],
    ["a reply of an authority for timestamps", "", withUnit(MAX_REPLY_BYTES, "bytes"), "it is none"],
  ],
)}

## Tokens for tasks

A token is good for ${withUnit(TOKEN_SECONDS * 1000, "ms")}. Audiences of a task: as [the manifest](manifest.md) says.

${table(["what", "name", "limit", "beyond it"], rows(TOKENS, TOKEN_LIMITS))}

## A manifest

${table(
  ["what", "limit", "beyond it"],
  [...source.map(([what, , limit, beyond]): Row => [what ?? "", limit ?? "", beyond ?? ""]), ...schema],
)}

## A watched folder

What \`maestro up FOLDER\` reads. It looks at every sign of a change, and every ${withUnit(RESCAN_MS, "ms")} without any; a file counts
when it has stood still for ${withUnit(SETTLE_MS, "ms")}.

${table(["what", "name", "limit", "beyond it"], rows(FOLDER, FOLDER_LIMITS))}

## A run

${table(
  ["what", "limit", "beyond it"],
  [
    ["items of a fan-out", number(MAX_ITEMS), "the task fails"],
    [
      "output of a task, as JSON",
      withUnit(MAX_OUTPUT_BYTES, "bytes"),
      "the attempt fails with `LIMIT`; leave a file and name it in `artifacts`",
    ],
    ["characters of the message of a task's error", number(MAX_ERROR_CHARACTERS), "it is cut"],
    ["its details, as JSON, in characters", number(MAX_DETAILS_CHARACTERS), "they are left out, and the log says so"],
    ["files that a receipt names as subjects", number(MAX_SUBJECTS), "the receipt says how many more there were"],
    ["decisions and the like that a receipt lists", number(MAX_LISTED), "the receipt counts the rest"],
    ["a receipt that `maestro verify` reads", withUnit(MAX_RECEIPT_BYTES, "bytes"), "it is refused"],
  ],
)}

## An expression

${table(
  ["what", "limit"],
  expressions.map(([what, limit]) => [what, limit]),
)}

Beyond one of them the expression fails, with the limit's name.

## A program of a task type

${table(["what", "name", "limit", "beyond it"], rows(PROGRAM, PROTOCOL_LIMITS))}

## A command

Where \`runner.limits\` of the task does not say otherwise ([how they are held](runner.md#limits)):

${table(
  ["what", "limit"],
  commands.map(([what, limit]) => [what, limit]),
)}
`;
}

function rows<K extends string>(
  meanings: Readonly<Record<K, Meaning>>,
  values: Readonly<Record<K, number>>,
): readonly (readonly string[])[] {
  return Object.entries<Meaning>(meanings).map(([name, [what, unit, beyond]]) => [
    what,
    `\`${name}\``,
    withUnit(values[name as K], unit),
    beyond,
  ]);
}

/** `1,048,576` bytes as `1 MiB`, 10,000 ms as `10 s`. */
function withUnit(value: number, unit: "count" | "bytes" | "ms" | "s"): string {
  if (unit === "bytes") {
    const power = Math.min(4, Math.floor(Math.log2(value) / 10));
    return `${number(value / 1024 ** power)} ${["B", "KiB", "MiB", "GiB", "TiB"][power] ?? "B"}`;
  }
  if (unit === "ms") return value < 1000 ? `${number(value)} ms` : `${number(value / 1000)} s`;
  if (unit === "s") return value % 3600 === 0 ? `${number(value / 3600)} h` : `${number(value)} s`;
  return number(value);
}

function number(value: number): string {
  return value.toLocaleString("en-GB", { maximumFractionDigits: 1 });
}

function at(path: string): number {
  const found = path
    .split("/")
    .reduce<JsonValue | undefined>((value, key) => (isJsonObject(value) ? value[key] : undefined), MANIFEST_SCHEMA);
  if (typeof found !== "number") throw new Error(`The manifest's schema has no ${path}.`);
  return found;
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(limitsPath, limitsPage());
