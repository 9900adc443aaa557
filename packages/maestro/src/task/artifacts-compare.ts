import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { digestOf } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";
import { isJsonObject } from "../core/json.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { inputPath, task } from "./define.ts";
import { explainDifference } from "./explain-difference.ts";
import { fileExists, unreadable } from "./json-file.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskType } from "./task.ts";

type Named =
  | string
  | { readonly name?: string; readonly path?: string; readonly digest?: string; readonly size?: number };
type Side = Named | readonly Named[];

interface Input {
  readonly left: Side;
  readonly right: Side;
  readonly allowDifferent?: boolean;
}

/** One file of a side. `file` is null where it is gone and only its record is left. */
interface Item {
  readonly name: string;
  readonly file: string | null;
  readonly digest: string;
  readonly size: number;
}

const ARTIFACT: JsonObject = {
  type: "object",
  properties: {
    name: {
      type: "string",
      description: "Its name; files of the two sides are matched by it. Default: the file's name.",
    },
    path: { type: "string", description: "The file, relative to the folder the run was started in." },
    digest: { type: "string", pattern: "^sha256:[0-9a-f]{64}$", description: "Its recorded sha256." },
    size: { type: "integer", minimum: 0, description: "Its recorded size in bytes." },
  },
  anyOf: [{ required: ["path"] }, { required: ["name", "digest"] }],
};
const SIDE: JsonObject = {
  anyOf: [
    { type: "string", minLength: 1 },
    ARTIFACT,
    { type: "array", items: { anyOf: [{ type: "string", minLength: 1 }, ARTIFACT] } },
  ],
};

export const artifactsCompare: TaskType = {
  description: {
    name: "artifacts/compare",
    version: 1,
    title: "Compares files byte for byte and explains differences",
    docs: `Compares two sets of files, matched by name: artifacts of earlier tasks, or paths. Digests are computed anew from the files; where a file is gone, its recorded digest counts. A file that no longer has its recorded
digest fails the task with \`CHANGED\`.

Where they differ, the task fails with \`DIFFERENT\` and the failed attempt keeps the \`differences\`: names that are on one side only, sizes, digests, and for tar, tar.gz and zip archives which members differ in what (content, time, mode, owner, order), with a hint at the usual cause. With
\`allowDifferent\` it succeeds and says \`equal: false\`. Nothing on either side is \`INPUT_INVALID\`, because a glob that finds nothing should not prove anything.`,
    input: {
      type: "object",
      required: ["left", "right"],
      properties: {
        left: { ...SIDE, description: "An artifact, a path, or a list of them.", examples: ["dist/a.tgz"] },
        right: { ...SIDE, description: "What to compare it with.", examples: ["again/a.tgz"] },
        allowDifferent: { type: "boolean", default: false, description: "Succeed although they differ." },
      },
      additionalProperties: false,
    },
    output: {
      type: "object",
      required: ["equal", "digest", "files", "differences"],
      properties: {
        equal: { type: "boolean", description: "Whether both sides have the same names with the same bytes." },
        digest: {
          type: "string",
          description:
            "Of the left side: the file's sha256 where it is one file, else the digest of the sorted list of `files`.",
        },
        files: {
          type: "array",
          description: "The left side, sorted by name.",
          items: {
            type: "object",
            properties: {
              name: { type: "string", description: "Name of the file." },
              digest: { type: "string", description: "Its sha256." },
              size: { type: "integer", description: "Its size in bytes." },
            },
          },
        },
        differences: {
          type: "array",
          description: "Empty where they are equal.",
          items: {
            type: "object",
            properties: {
              name: { type: "string", description: "Name of the file." },
              summary: { type: "string", description: "What differs, in a sentence." },
              left: { type: "string", description: "Digest on the left; absent where there is no such file." },
              right: { type: "string", description: "Digest on the right; absent where there is no such file." },
              hint: { type: "string", description: "What usually causes it and what helps." },
              members: {
                type: "array",
                description: "For archives: what differs inside.",
                items: {
                  type: "object",
                  properties: {
                    path: { type: "string", description: "Path in the archive." },
                    what: {
                      type: "string",
                      description: "What differs: content, size, mtime, mode, order, only on the left.",
                    },
                    left: { type: "string", description: "What it is on the left." },
                    right: { type: "string", description: "What it is on the right." },
                  },
                },
              },
            },
          },
        },
      },
    },
    effects: [],
    runs: "inline",
    example: { left: "dist/summit-1.4.0.tgz", right: "again/summit-1.4.0.tgz" },
  },
  init: (context) => task<Input>({ work: (input) => compare(input, context) }),
};

async function compare(input: Input, context: TaskContext): Promise<JsonObject> {
  const left = await readSide("left", input.left, context);
  const right = await readSide("right", input.right, context);
  if (left.size === 0 && right.size === 0)
    throw new TaskFailure({
      code: "INPUT_INVALID",
      message:
        "There is nothing to compare: both sides are empty. Check the `artifacts` globs of the tasks they come from.",
      final: true,
    });
  const differences: JsonObject[] = [];
  for (const name of [...new Set([...left.keys(), ...right.keys()])].sort()) {
    const difference = await differenceOf(name, left.get(name), right.get(name));
    if (difference !== undefined) differences.push(difference);
    context.signal.throwIfAborted();
  }
  const files = [...left.values()]
    .map(({ name, digest, size }) => ({ name, digest, size }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const only = files.length === 1 ? files[0] : undefined;
  const output = { equal: differences.length === 0, digest: only?.digest ?? digestOf(files), files, differences };
  if (output.equal || input.allowDifferent === true) return output;
  throw new TaskFailure({ code: "DIFFERENT", message: message(differences), final: true }, { output });
}

async function readSide(name: "left" | "right", side: Side, context: TaskContext): Promise<ReadonlyMap<string, Item>> {
  const items = new Map<string, Item>();
  for (const entry of Array.isArray(side) ? (side as readonly Named[]) : [side as Named]) {
    const item = await readItem(typeof entry === "string" ? { path: entry } : entry, context);
    if (items.has(item.name))
      throw new TaskFailure({
        code: "INPUT_INVALID",
        message: `${name}: two files are called ${JSON.stringify(item.name)}; files are matched by name, so names must differ.`,
        final: true,
      });
    items.set(item.name, item);
    context.signal.throwIfAborted();
  }
  return items;
}

async function readItem(entry: Exclude<Named, string>, context: TaskContext): Promise<Item> {
  const file = entry.path === undefined ? undefined : inputPath(context, entry.path);
  const name = entry.name ?? basename(file ?? "");
  if (file === undefined || !(await fileExists(file))) {
    if (entry.digest !== undefined) return { name, file: null, digest: entry.digest, size: entry.size ?? -1 };
    throw new TaskFailure({ code: "NOT_FOUND", message: `${file ?? name} does not exist.`, final: true });
  }
  const found = await digestFile(file, context.signal);
  if (entry.digest !== undefined && entry.digest !== found.digest) {
    throw new TaskFailure({
      code: "CHANGED",
      message: `${file} was changed after it was recorded: it is ${found.digest} and was ${entry.digest}. Make it anew and find out what wrote to it.`,
      final: true,
    });
  }
  return { name, file, ...found };
}

async function digestFile(
  file: string,
  signal: AbortSignal,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  try {
    for await (const chunk of createReadStream(file, { signal, highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
    }
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof Error && "syscall" in thrown) throw unreadable(file, thrown as NodeJS.ErrnoException);
    throw thrown;
  }
  return { digest: `sha256:${hash.digest("hex")}`, size };
}

async function differenceOf(
  name: string,
  left: Item | undefined,
  right: Item | undefined,
): Promise<JsonObject | undefined> {
  if (left === undefined || right === undefined) {
    return left === undefined
      ? { name, summary: "it is only on the right", right: right?.digest ?? "" }
      : { name, summary: "it is only on the left", left: left.digest };
  }
  if (left.digest === right.digest) return undefined;
  const digests = { left: left.digest, right: right.digest };
  if (left.file === null || right.file === null)
    return { name, summary: "the contents differ; one of the files is gone, so there is no more to say", ...digests };
  const { summary, hint, members } = await explainDifference(left.file, right.file);
  return {
    name,
    summary,
    ...digests,
    ...(hint === undefined ? {} : { hint }),
    ...(members === undefined ? {} : { members: members as JsonValue }),
  };
}

function message(differences: readonly JsonObject[]): string {
  const shown = differences.slice(0, 5).map(({ name, summary, hint, members }) => {
    const first = Array.isArray(members)
      ? (members as readonly JsonValue[])
          .slice(0, 3)
          .filter(isJsonObject)
          .map((member) => `${text(member["path"])} (${text(member["what"])})`)
      : [];
    return `${text(name)}: ${text(summary)}${first.length === 0 ? "" : `, ${first.join(", ")}`}.${hint === undefined ? "" : ` ${text(hint)}`}`;
  });
  return `The two sides differ in ${differences.length} ${differences.length === 1 ? "file" : "files"}. ${shown.join(" ")}${differences.length > 5 ? " The output of the attempt lists them all." : ""}`;
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
