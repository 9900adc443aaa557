import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse as parseYaml } from "yaml";
import { readNetworkSettings } from "../../src/api/network-settings.ts";
import { parse as parseCommand } from "../../src/cli/program.ts";
import { isJsonObject } from "../../src/core/json.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { checkValue } from "../../src/core/schema-check.ts";
import { readIdentity } from "../../src/identity/read-settings.ts";
import { loadManifest } from "../../src/manifest/load.ts";
import { readPolicySettings } from "../../src/policy/policy-file.ts";
import { readWitnessSettings } from "../../src/provenance/witness/settings.ts";
import { taskTypes } from "../../src/task/catalogue.ts";
import { compileSchema } from "../../src/task/json-schema.ts";
import { readTests } from "../../src/testing/read-tests.ts";
import type { Block } from "./pages.ts";
import { commandsOf } from "./shell-words.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

/** A block and the page it stands on. */
export interface Shown {
  readonly block: Block;
  /** From the root of the repository. */
  readonly page: string;
  /** Its commands are executed by docs.test.ts. */
  readonly executed: boolean;
  /** Made by a script from the code, and kept equal to it by a test. */
  readonly generated: boolean;
  readonly before: Block | undefined;
}

/** Why nothing vouches for the block; undefined where it is executed, compared with an output or fits what it is of. */
export async function unvouched(shown: Shown): Promise<string | undefined> {
  const { block, executed, generated, before } = shown;
  const has = (word: string): boolean => block.words.some((one) => one === word || one.startsWith(`${word}=`));
  if (has("file") || (block.language === "sh" && has("run")))
    return executed ? undefined : "nothing executes this page; see PAGES in docs.test.ts";
  switch (block.language) {
    case "text":
      if (generated) return undefined;
      return executed && before?.language === "sh" && before.words.includes("run")
        ? undefined
        : "a text block is what the `sh run` block before it shows; write anything else as a list or a table";
    case "sh":
      return shellProblem(shown);
    case "yaml":
      return generated && !block.text.startsWith("uses: ") ? undefined : yamlProblem(block);
    case "json":
      return jsonProblem(shown);
    case "cedar":
      return generated ? undefined : cedarProblem(block.text);
    case "rego":
      return generated ? undefined : "take it into policies/, where it is compiled, and show it by a generator";
    case "ts":
      return scriptProblem(block.text);
    case "ini":
      return unitProblem(block.text);
    case "mermaid":
      return diagramProblem(block.text);
    default:
      return `nothing checks ${block.language === "" ? "a block without a language" : block.language}: execute it (\`file=NAME\`, \`sh run\`), or teach check-block.ts what it must fit`;
  }
}

/** Programs of other people that pages may show; what ours take is checked. */
const FOREIGN: readonly string[] = [
  "aws",
  "base64",
  "cat",
  "cosign",
  "curl",
  "dot",
  "export",
  "gcloud",
  "head",
  "jq",
  "ln",
  "mkdir",
  "opa",
  "openssl",
  "printf",
  "tar",
  "tr",
  "umask",
  "vault",
  "wc",
];

async function shellProblem({ block, page, generated }: Shown): Promise<string | undefined> {
  const { status, stderr } = spawnSync("bash", ["-n"], { input: block.text, encoding: "utf8" });
  if (status !== 0) return `it is no shell script: ${stderr}`;
  for (const words of commandsOf(block.text)) {
    const problem = await commandProblem(words, generated ? undefined : page);
    if (problem !== undefined) return `${words.join(" ")}: ${problem}`;
  }
  return undefined;
}

/** `page`: where its files are; undefined where their names are only examples. */
async function commandProblem(words: readonly string[], page: string | undefined): Promise<string | undefined> {
  // What a substitution runs is inside of a word.
  if (/^\w+=\$\(/.test(words[0] ?? "")) return undefined;
  const [program = "", first = "", ...more] = words.slice(words.findIndex((word) => !/^\w+=/.test(word)));
  if (/(^|\/)maestro$/.test(program)) return maestroProblem(words.slice(words.indexOf(program) + 1), page);
  if (program === "npm") return npmProblem(first, more);
  if (program === "node") return existsSync(join(ROOT, first)) ? undefined : `there is no ${first}`;
  return program === "" || FOREIGN.includes(program) ? undefined : `check-block.ts knows no program ${program}`;
}

function npmProblem(command: string, more: readonly string[]): string | undefined {
  const name = command === "run" ? (more.find((word) => !word.startsWith("-")) ?? "") : command;
  if (["ci", "install"].includes(name)) return undefined;
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { readonly scripts: object };
  return Object.hasOwn(scripts, name) ? undefined : `package.json has no script ${name}`;
}

/** It parses as the command does; the runbook it names is there, and has the purpose and the inputs. */
async function maestroProblem(words: readonly string[], page: string | undefined): Promise<string | undefined> {
  try {
    const parsed = await parseCommand([...words], "0.0.0", 100);
    if (parsed.kind !== "command" || parsed.spec.name !== "run") return undefined;
    const runbook = words.find((word) => /\.ya?ml$/.test(word));
    if (runbook === undefined || page === undefined) return undefined;
    const path = [join(ROOT, runbook), join(ROOT, dirname(page), runbook)].find((one) => existsSync(one));
    return path === undefined ? `there is no ${runbook}` : runProblem(words, parseYaml(readFileSync(path, "utf8")));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function runProblem(words: readonly string[], manifest: { readonly spec: JsonObject }): string | undefined {
  const { purposes, inputs = {}, authority } = manifest.spec;
  const valuesOf = (flag: string): readonly string[] => words.filter((_, i) => words[i - 1] === flag);
  const [purpose] = valuesOf("--purpose");
  if (purpose !== undefined && !(purposes as readonly string[]).includes(purpose)) return `no purpose ${purpose}`;
  if (isJsonObject(authority) && authority["required"] === true && !words.includes("--authority"))
    return "it needs --authority";
  const given = valuesOf("-i").map((value) => value.split("=")[0] ?? "");
  const known = isJsonObject(inputs) ? inputs : {};
  const unknown = given.find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) return `the runbook has no input ${unknown}`;
  const missing = Object.entries(known).find(
    ([name, input]) => isJsonObject(input) && input["required"] === true && !given.includes(name),
  );
  return missing === undefined ? undefined : `the runbook needs the input ${missing[0]}`;
}

/** A runbook (linted by docs.test.ts), tests, a task of a runbook, or with `with=TYPE` a part of what that type takes. */
async function yamlProblem({ text, words }: Block): Promise<string | undefined> {
  const value = parseYaml(text) as JsonValue;
  if (!isJsonObject(value)) return "it is no map";
  const settings = words.find((word) => word.startsWith("settings="))?.slice("settings=".length);
  if (settings !== undefined) return settingsProblem(settings, text);
  if (words.includes("job")) return jobProblem(value);
  if (value["kind"] === "Runbook") return undefined;
  if (value["kind"] === "WorkflowTest") {
    const read = readTests(text, "page.maestro.test.yaml");
    return "file" in read ? undefined : read.diagnostics.map(({ message }) => message).join("; ");
  }
  if (typeof value["uses"] === "string") return taskProblem(text);
  const type = words.find((word) => word.startsWith("with="))?.slice("with=".length);
  if (type === undefined) return "say of which task type it is a part of `with`: ```yaml with=notify@1";
  const description = taskTypes().get(type)?.description;
  if (description === undefined) return `there is no task type ${type}`;
  // Of the whole only the members: which of them are needed, and which together, a part cannot say.
  const { properties = {} } = description.input;
  return checkValue(value, { type: "object", properties, additionalProperties: false }, { root: description.input })
    .map(({ path, message }) => `${path.join(".")} ${message}`)
    .at(0);
}

/** A file of settings in the data directory. */
async function settingsProblem(name: string, text: string): Promise<string | undefined> {
  const read = SETTINGS[name];
  if (read === undefined) return `there are no settings ${name}`;
  try {
    await read(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const SETTINGS: Readonly<Record<string, (text: string) => Promise<unknown>>> = {
  identity: async (text) => readIdentity(text, "identity.yaml"),
  network: async (text) => readNetworkSettings(text, "network.yaml"),
  policy: async (text) => readPolicySettings(text, "policy.yaml"),
  // Whose certificates they are is not what a page shows.
  witness: async (text) =>
    readWitnessSettings(text, "witness.yaml", () => Promise.reject(new Error("not here"))).catch((error: unknown) => {
      if (!(error instanceof Error) || !/timestamp\.certificates/.test(error.message)) throw error;
    }),
};

/** A job of GitHub's: what it runs of ours. */
async function jobProblem(job: JsonObject): Promise<string | undefined> {
  const steps = Array.isArray(job["steps"]) ? job["steps"] : [];
  if (steps.length === 0) return "a job has steps";
  for (const step of steps as readonly JsonObject[]) {
    const script = step["run"];
    if (typeof script !== "string") return "a step of a page has `run`";
    for (const words of commandsOf(script)) {
      const problem = await commandProblem(words, undefined);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

/** Every policy of it is one that Cedar reads. */
async function cedarProblem(text: string): Promise<string | undefined> {
  const { checkParsePolicySet } = await import("@cedar-policy/cedar-wasm/nodejs");
  const answer = checkParsePolicySet({ staticPolicies: text });
  return answer.type === "success" ? undefined : answer.errors.map(({ message }) => message).join("; ");
}

/** It is TypeScript that can be run as it is, and what it takes from our packages is there. */
async function scriptProblem(text: string): Promise<string | undefined> {
  try {
    stripTypeScriptTypes(text);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  for (const [, names = "", from = ""] of text.matchAll(/import \{ ([^}]*) \} from "(@summit\/[^"]*)"/g)) {
    const given = (await import(from)) as object;
    const missing = names.split(", ").find((name) => !Object.hasOwn(given, name));
    if (missing !== undefined) return `${from} has no ${missing}`;
  }
  return undefined;
}

/** In a runbook of its own; what it says of other tasks is none of its business here. */
async function taskProblem(text: string): Promise<string | undefined> {
  const task = text.trimEnd().replaceAll("\n", "\n      ");
  const manifest = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: docs, name: page, version: 1.0.0, description: A page. }
spec:
  type: demo
  purposes: [docs]
  budget: { wall: 1h }
  tasks:
    it:
      ${task}
`;
  const types = new Map([...taskTypes()].map(([name, { description }]) => [name, description] as const));
  const { diagnostics } = await loadManifest(manifest, "page.maestro.yaml", {
    taskTypes: types,
    runbook: () => Promise.resolve(undefined),
  });
  return diagnostics
    .filter(({ severity, rule }) => severity === "error" && !REFERENCES.includes(rule))
    .map(({ message }) => message)
    .at(0);
}

/** Inputs and tasks that are not there. */
const REFERENCES: readonly string[] = ["WF021", "WF032", "WF033", "WF034"];

/** Pages whose JSON a test of their own looks at: provenance/docs.test.ts, task-protocol.test.ts. */
const OWN_TEST: readonly string[] = ["docs/reference/receipt.md", "docs/reference/task-protocol.md"];

/** One document or one a line; `schema=NAME` says which of spec/ it fits. */
function jsonProblem({ block: { text, words }, page }: Shown): string | undefined {
  const name = words.find((word) => word.startsWith("schema="))?.slice("schema=".length);
  let values: readonly JsonValue[];
  try {
    values = /^\{.*\}\n\{/.test(text) ? text.trim().split("\n").map(parsed) : [parsed(text)];
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (words.includes("trust")) return trustProblem(values[0]);
  if (name === undefined)
    return OWN_TEST.includes(page) ? undefined : "say which schema of spec/ it fits: ```json schema=task-protocol-v1";
  const check = compileSchema(parsed(readFileSync(join(ROOT, `spec/${name}.schema.json`), "utf8")) as JsonObject);
  return values
    .flatMap((value) => check(value))
    .map(({ path, message }) => `${path} ${message}`)
    .at(0);
}

/** A trust policy of AWS's: it names one subject, of the form that tokens of tasks have. */
function trustProblem(policy: JsonValue | undefined): string | undefined {
  const subjects = JSON.stringify(policy).match(/:sub":"([^"]*)"/)?.[1] ?? "";
  return /^run:[\w-]+:[\w-]+:env:[\w-]+:task:[\w-]+$/.test(subjects)
    ? undefined
    : `no token has the subject ${JSON.stringify(subjects)}`;
}

function parsed(text: string): JsonValue {
  return JSON.parse(text) as JsonValue;
}

/** A unit of systemd. */
async function unitProblem(text: string): Promise<string | undefined> {
  for (const line of text.split("\n").filter((one) => one !== "" && !one.startsWith("#"))) {
    if (!/^(\[\w+\]|\w+=.+)$/.test(line)) return `${line} is no section and no setting`;
    const [, command] = /^Exec\w+=(.*)$/.exec(line) ?? [];
    const problem = command === undefined ? undefined : await commandProblem(command.split(" "), undefined);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Of Mermaid's flowcharts the part that all renderers agree on: nodes in brackets that close, and arrows between them. */
function diagramProblem(text: string): string | undefined {
  const [head = "", ...lines] = text.trimEnd().split("\n");
  if (!/^flowchart (LR|TD)$/.test(head)) return `${head}: only flowchart LR and flowchart TD are checked`;
  const node = String.raw`\w+(?:\[\([^()]+\)\]|\[\[[^[\]]+\]\]|\(\[[^[\]]+\]\)|\{\{[^{}]+\}\}|\{[^{}]+\}|\[[^[\]()]+\])?`;
  const nodes = `${node}(?: & ${node})*`;
  const arrow = String.raw` (?:-->(?:\|[^|]+\|)?|-- [^->]+ -->|-\.->|-\. [^.]+ \.->|==>|---|~~~) `;
  const statement = new RegExp(
    `^ *(?:${nodes}(?:${arrow}${nodes})*|subgraph \\w+(?: ?\\[[^\\]]+\\])?|direction LR|end)$`,
  );
  return lines.find((line) => !statement.test(line));
}
