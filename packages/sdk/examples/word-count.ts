#!/usr/bin/env node
// Counts the words of a text file: `maestro task add word-count.ts`.
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { defineTask, serve, TaskFailure } from "@summit/maestro-sdk";

const task = defineTask({
  name: "word-count",
  version: 1,
  summary: "Counts the words of a text file",
  docs: "Reads a file and tells how many words it has and which occur most. Keeps all counts as the artifact `words.json`.",
  effects: [],
  input: {
    type: "object",
    properties: {
      file: { type: "string", minLength: 1, description: "The file; relative to the folder the run was started in." },
      top: {
        type: "integer",
        minimum: 1,
        maximum: 100,
        default: 3,
        description: "How many of the commonest words to tell.",
      },
    },
    required: ["file"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      words: { type: "integer", description: "Words in all." },
      top: { type: "array", items: { type: "string" }, description: "The commonest, the most frequent first." },
    },
    required: ["words", "top"],
    additionalProperties: false,
  },
  example: { file: "/etc/os-release" },
  async execute({ input, base, dir, log, artifact }) {
    const file = resolve(base, input.file);
    const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
      throw new TaskFailure("UNREADABLE", `${file} could not be read: ${cause.message}`, { final: true, cause });
    });
    const counts = new Map<string, number>();
    for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) counts.set(word, (counts.get(word) ?? 0) + 1);
    const sorted = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    log(`${sorted.length} different words`);
    await writeFile(join(dir, "words.json"), JSON.stringify(Object.fromEntries(sorted)));
    artifact("words.json");
    return {
      words: sorted.reduce((sum, [, count]) => sum + count, 0),
      top: sorted.slice(0, input.top ?? 3).map(([word]) => word),
    };
  },
});

export default task;

if (import.meta.main) await serve(task);
