import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { dirname, matchesGlob, resolve } from "node:path";
import type { FileHandle } from "node:fs/promises";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { task } from "./define.ts";
import {
  DEFAULT_ENTRIES,
  DEFAULT_MAX_BYTES,
  DEFAULT_READ_BYTES,
  MAX_READ_BYTES,
  fileDescription,
} from "./file-description.ts";
import { Roots, fileFailure } from "./file-roots.ts";
import type { Folder } from "./file-roots.ts";
import { factsAt, putFile, readThrough, remove, renameFile, walk } from "./file-work.ts";
import type { Facts, Reading } from "./file-work.ts";
import { parseJson } from "./json-file.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskType } from "./task.ts";

type Operation = "read" | "write" | "copy" | "move" | "remove" | "list" | "mkdir" | "digest";

interface Input {
  readonly operation: Operation;
  readonly path: string;
  readonly to?: string;
  readonly roots?: readonly string[];
  readonly as?: "text" | "json" | "base64";
  readonly text?: string;
  readonly json?: JsonValue;
  readonly base64?: string;
  readonly ifDigest?: string;
  readonly expect?: string;
  readonly permissions?: string;
  readonly parents?: boolean;
  readonly recursive?: boolean;
  readonly match?: string;
  readonly digests?: boolean;
  readonly maxBytes?: number;
  readonly maxEntries?: number;
  readonly keep?: string;
}

/** Which fields each operation takes besides those that all of them take. */
const FIELDS: Readonly<Record<Operation, readonly (keyof Input)[]>> = {
  read: ["as", "expect", "maxBytes", "keep"],
  write: ["text", "json", "base64", "ifDigest", "permissions", "parents", "maxBytes", "keep"],
  copy: ["to", "ifDigest", "expect", "permissions", "parents", "maxBytes", "keep"],
  move: ["to", "ifDigest", "expect", "parents", "maxBytes", "keep"],
  remove: ["ifDigest", "recursive", "maxBytes"],
  list: ["recursive", "match", "digests", "maxBytes", "maxEntries"],
  mkdir: ["permissions", "parents"],
  digest: ["expect", "maxBytes", "keep"],
};
const ALWAYS: readonly (keyof Input)[] = ["operation", "path", "roots"];

export const file: TaskType = {
  description: fileDescription,
  init: (context) => task<Input>({ check: problemsOf, work: (input) => execute(input, context) }),
};

function problemsOf(input: Input): readonly string[] {
  const { operation, to, text, json, base64, maxBytes } = input;
  const known = [...ALWAYS, ...FIELDS[operation]];
  const problems = Object.keys(input)
    .filter((name) => !known.some((one) => one === name))
    .map((name) => `${name}: does not go with \`${operation}\``);
  for (const path of [input.path, to ?? "", ...(input.roots ?? [])])
    if (path.includes("\0")) problems.push(`${JSON.stringify(path)} holds a NUL character, which no path can`);
  if ((operation === "copy" || operation === "move") && to === undefined)
    problems.push(`to: \`${operation}\` needs it`);
  const contents = [text, json, base64].filter((one) => one !== undefined).length;
  if (operation === "write" && contents !== 1) problems.push("give one of `text`, `json` and `base64` to `write`");
  if (base64 !== undefined && !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) problems.push("base64: is not base64 (RFC 4648)");
  if (operation === "read" && (maxBytes ?? 0) > MAX_READ_BYTES)
    problems.push(`maxBytes: \`read\` hands on at most ${MAX_READ_BYTES} bytes; \`copy\` and \`keep\` take any size`);
  return problems;
}

async function execute(input: Input, context: TaskContext): Promise<JsonObject> {
  const roots = await Roots.open(context, input.roots ?? ["."]);
  const output = await new Work(input, context, roots).carryOut();
  const { keep, to, path } = input;
  if (keep !== undefined) context.emit({ kind: "artifact", name: keep, path: resolve(context.base, to ?? path) });
  return output;
}

class Work {
  readonly #input: Input;
  readonly #roots: Roots;
  readonly #full: string;
  readonly #to: string;
  readonly #reading: Reading;

  constructor(input: Input, context: TaskContext, roots: Roots) {
    this.#input = input;
    this.#roots = roots;
    this.#full = resolve(context.base, input.path);
    this.#to = resolve(context.base, input.to ?? input.path);
    const usual = input.operation === "read" ? DEFAULT_READ_BYTES : DEFAULT_MAX_BYTES;
    this.#reading = { path: this.#full, maxBytes: input.maxBytes ?? usual, signal: context.signal };
  }

  carryOut(): Promise<JsonObject> {
    switch (this.#input.operation) {
      case "read":
        return this.#read();
      case "digest":
        return this.#digest();
      case "write":
        return this.#write();
      case "copy":
        return this.#copy();
      case "move":
        return this.#move();
      case "remove":
        return this.#remove();
      case "list":
        return this.#list();
      case "mkdir":
        return this.#mkdir();
    }
  }

  async #read(): Promise<JsonObject> {
    await using source = await this.#roots.file(this.#full);
    const chunks: Buffer[] = [];
    const facts = await readThrough(source, this.#reading, (chunk) => void chunks.push(Buffer.from(chunk)));
    this.#checkSource(facts);
    return { path: this.#full, ...facts, ...this.#decoded(Buffer.concat(chunks)) };
  }

  #decoded(bytes: Buffer): JsonObject {
    const { as = "text" } = this.#input;
    if (as === "base64") return { base64: bytes.toString("base64") };
    if (as === "json") {
      const parsed = parseJson(bytes);
      if (!parsed.ok) throw encodingFailure(`${this.#full} is not JSON: ${parsed.message}.`);
      return { json: parsed.value };
    }
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
    } catch (cause) {
      throw encodingFailure(`${this.#full} is not text in UTF-8. Read it with \`as: base64\`.`, cause);
    }
  }

  async #digest(): Promise<JsonObject> {
    await using source = await this.#roots.file(this.#full);
    const facts = await readThrough(source, this.#reading);
    this.#checkSource(facts);
    const { mode, mtimeMs } = await source.stat();
    return { path: this.#full, ...facts, permissions: octal(mode), modifiedAt: Math.round(mtimeMs) };
  }

  async #write(): Promise<JsonObject> {
    const bytes = contentOf(this.#input);
    if (bytes.length > this.#reading.maxBytes)
      throw new TaskFailure({
        code: "TOO_LARGE",
        message: `The content has ${bytes.length} bytes, more than ${this.#reading.maxBytes} (\`maxBytes\`).`,
        final: true,
      });
    const facts: Facts = {
      bytes: bytes.length,
      digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
    };
    return this.#put(facts, async (target) => {
      await target.writeFile(bytes);
      return facts;
    });
  }

  async #copy(): Promise<JsonObject> {
    await using source = await this.#roots.file(this.#full);
    // Once to know it and once to copy it: what is replaced must be known first, and what is copied must be what was known.
    const facts = await readThrough(source, this.#reading);
    this.#checkSource(facts);
    const { mode } = await source.stat();
    return await this.#put(
      facts,
      async (target) => {
        const copied = await readThrough(source, this.#reading, (chunk) => target.writeFile(chunk));
        if (copied.digest !== facts.digest) throw this.#changed(this.#full, copied.digest, facts.digest);
        return copied;
      },
      mode & 0o777,
    );
  }

  /** Brings content to its place, unless it is there already. */
  async #put(facts: Facts, fill: (target: FileHandle) => Promise<Facts>, mode?: number): Promise<JsonObject> {
    const { ifDigest, permissions, parents = true } = this.#input;
    const { folder, name } = await this.#roots.place(this.#to, { make: parents });
    await using _open = folder;
    const wanted = permissions === undefined ? undefined : Number.parseInt(permissions, 8);
    const previous = await this.#present(folder, name);
    const output = { path: this.#to, ...facts, previous: previous?.digest ?? null };
    const isDone = previous?.digest === facts.digest && (wanted === undefined || wanted === previous.mode);
    if (isDone) return { ...output, changed: false };
    this.#checkTarget(previous);
    await putFile(
      folder,
      name,
      { path: this.#to, mode: wanted ?? previous?.mode ?? mode, onlyNew: ifDigest === "absent" },
      fill,
    );
    return { ...output, changed: true };
  }

  async #move(): Promise<JsonObject> {
    const { parents = true, expect, ifDigest } = this.#input;
    const target = await this.#roots.place(this.#to, { make: parents });
    await using _target = target.folder;
    const source = await this.#roots.place(this.#full, { make: false });
    await using _source = source.folder;
    const facts = await factsAt(source.folder, source.name, this.#reading);
    const previous = await this.#present(target.folder, target.name);
    if (facts === null) {
      if (expect === undefined || previous?.digest !== expect) throw fileFailure(missing(), this.#full);
      return {
        path: this.#to,
        bytes: previous.bytes,
        digest: previous.digest,
        previous: previous.digest,
        changed: false,
      };
    }
    this.#checkSource(facts);
    this.#checkTarget(previous);
    const { bytes, digest, mode } = facts;
    const onlyNew = ifDigest === "absent";
    if (!(await renameFile(source, { ...target, path: this.#to }, onlyNew))) {
      await using content = await this.#roots.file(this.#full);
      await putFile(target.folder, target.name, { path: this.#to, mode, onlyNew }, async (made) => {
        const copied = await readThrough(content, this.#reading, (chunk) => made.writeFile(chunk));
        if (copied.digest !== digest) throw this.#changed(this.#full, copied.digest, digest);
        return copied;
      });
      await remove(source.folder, source.name, { ...this.#reading, recursive: false });
    }
    return { path: this.#to, bytes, digest, previous: previous?.digest ?? null, changed: true };
  }

  async #remove(): Promise<JsonObject> {
    const { ifDigest, recursive = false } = this.#input;
    const place = await this.#roots.place(this.#full, { make: false }).catch((thrown: unknown) => {
      if (thrown instanceof TaskFailure && thrown.error.code === "NOT_FOUND") return undefined;
      throw thrown;
    });
    if (place === undefined) return { path: this.#full, removed: 0, changed: false };
    await using _open = place.folder;
    if (ifDigest !== undefined) {
      const present = await factsAt(place.folder, place.name, this.#reading);
      if (present !== null) this.#checkTarget(present);
    }
    this.#roots.checkRemoval(place.folder, place.name, this.#full);
    const removed = await remove(place.folder, place.name, { ...this.#reading, recursive });
    await place.folder.handle.sync();
    return { path: this.#full, removed, changed: removed > 0 };
  }

  async #list(): Promise<JsonObject> {
    const { recursive = false, match, digests = false, maxEntries = DEFAULT_ENTRIES } = this.#input;
    await using folder = await this.#roots.folder(this.#full, "read");
    const entries: JsonObject[] = [];
    for await (const entry of walk(folder, {
      ...this.#reading,
      recursive: recursive || match?.includes("/") === true,
      isOwn: (real) => this.#roots.isOwn(real),
    })) {
      if (match !== undefined && !matchesGlob(entry.path, match)) continue;
      if (entries.length === maxEntries)
        throw new TaskFailure({
          code: "TOO_LARGE",
          message: `${this.#full} has more than ${maxEntries} such entries. Narrow it with \`match\`, or raise \`maxEntries\`.`,
          final: true,
        });
      entries.push({ path: entry.path, kind: entry.kind, ...(await this.#entryFacts(entry, digests)) });
    }
    return { path: this.#full, count: entries.length, entries };
  }

  async #entryFacts(
    { folder, name, kind }: { readonly folder: Folder; readonly name: string; readonly kind: string },
    digests: boolean,
  ): Promise<JsonObject> {
    if (kind !== "file") return {};
    if (!digests) return { bytes: (await stat(folder.at(name))).size };
    const facts = await factsAt(folder, name, { ...this.#reading, path: `${folder.real}/${name}` });
    return facts === null ? {} : { bytes: facts.bytes, digest: facts.digest };
  }

  async #mkdir(): Promise<JsonObject> {
    const { parents = true, permissions } = this.#input;
    const exists = await this.#roots.folder(this.#full, "write").then(
      (folder) => folder.handle.close().then(() => true),
      (thrown: unknown) => {
        if (thrown instanceof TaskFailure && thrown.error.code === "NOT_FOUND") return false;
        throw thrown;
      },
    );
    if (!exists && !parents) await (await this.#roots.folder(dirname(this.#full), "write")).handle.close();
    await using folder = await this.#roots.folder(this.#full, "write", true);
    if (permissions !== undefined) await folder.handle.chmod(Number.parseInt(permissions, 8));
    return { path: this.#full, changed: !exists };
  }

  #present(folder: Folder, name: string): Promise<(Facts & { readonly mode: number }) | null> {
    // What is replaced may have any size.
    return factsAt(folder, name, { ...this.#reading, path: this.#to, maxBytes: Number.MAX_SAFE_INTEGER });
  }

  #checkSource({ digest }: Facts): void {
    const { expect } = this.#input;
    if (expect !== undefined && expect !== digest) throw this.#changed(this.#full, digest, expect);
  }

  #checkTarget(present: Facts | null): void {
    const { ifDigest } = this.#input;
    if (ifDigest === undefined || ifDigest === (present?.digest ?? "absent")) return;
    throw this.#changed(this.#to, present?.digest ?? "absent", ifDigest);
  }

  #changed(path: string, found: string, expected: string): TaskFailure {
    const is = found === "absent" ? "is not there" : `is ${found}`;
    const meant = expected === "absent" ? "was expected not to be there" : `was expected to be ${expected}`;
    return new TaskFailure({
      code: "CHANGED",
      message: `${path} ${is}, and ${meant}. Somebody else has changed it; look at it before you go on. Nothing was touched.`,
      final: true,
      details: { found, expected },
    });
  }
}

function contentOf({ text, json, base64 }: Input): Buffer {
  if (text !== undefined) return Buffer.from(text);
  return base64 === undefined ? Buffer.from(`${JSON.stringify(json, null, 2)}\n`) : Buffer.from(base64, "base64");
}

function encodingFailure(message: string, cause?: unknown): TaskFailure {
  return new TaskFailure({ code: "ENCODING", message, final: true }, cause === undefined ? {} : { cause });
}

function missing(): NodeJS.ErrnoException {
  return Object.assign(new Error("no such file"), { code: "ENOENT" });
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(3, "0");
}
