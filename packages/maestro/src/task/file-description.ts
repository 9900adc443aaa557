import type { TaskDescription } from "./task.ts";

export const DEFAULT_READ_BYTES = 1024 * 1024;
export const MAX_READ_BYTES = 8 * 1024 * 1024;
export const DEFAULT_MAX_BYTES = 64 * 1024 * 1024 * 1024;
export const DEFAULT_ENTRIES = 1000;
export const MAX_ENTRIES = 10_000;

const DIGEST = "^sha256:[0-9a-f]{64}$";
const PATH = { type: "string", minLength: 1, maxLength: 4096 } as const;

export const fileDescription: TaskDescription = {
  name: "file",
  version: 1,
  title: "Reads, writes, moves and lists files inside declared folders",
  docs: `One \`operation\` on a file or folder: \`read\`, \`write\`, \`copy\`, \`move\`, \`remove\`, \`list\`, \`mkdir\` or \`digest\`.

**Where it may go.** Paths are relative to the folder the run was started in, and must lie in one of the \`roots\`; without any, in that folder. The attempt's own folder is always one, and what earlier tasks of the run left may be read, so \`tasks.ID.artifacts[0].path\` works. Whether something
is inside is asked of what was opened, not of its name: a link that leads out fails with \`OUTSIDE\`, whenever it was put there. Maestro's own data directory is never inside.

**What is written is whole.** A file gets its name when all of it is on disk: whoever reads it sees the old one or the new one, also when the machine stops. Permissions of a file that is replaced are kept, unless \`permissions\` says otherwise. A link is replaced, not written through.

**Preconditions.** \`ifDigest\` is what must be there now, where something is to be changed: a sha256, or \`absent\`. \`expect\` is the sha256 that the source must have. If not, the task fails with \`CHANGED\` and nothing was touched. Done again after it has worked, an operation finds its work
done and succeeds with \`changed: false\`: a file that already has the content, a source that is gone and whose \`expect\` is at the target. So it can be retried.

**It fails** with \`NOT_FOUND\`, \`OUTSIDE\`, \`CHANGED\`, \`EXISTS\`, \`KIND\` (a folder where a file is meant, a pipe, a device), \`NOT_EMPTY\`, \`TOO_LARGE\`, \`ENCODING\` (no UTF-8, or no JSON), \`DENIED\`, all final; and with \`NO_SPACE\` and \`UNAVAILABLE\`, which may pass.`,
  input: {
    type: "object",
    required: ["operation", "path"],
    properties: {
      operation: {
        enum: ["read", "write", "copy", "move", "remove", "list", "mkdir", "digest"],
        description: "What to do.",
      },
      path: { ...PATH, description: "The file or folder.", examples: ["out/report.json"] },
      to: { ...PATH, description: "`copy`, `move`: the file to make of it.", examples: ["published/report.json"] },
      roots: {
        type: "array",
        minItems: 1,
        maxItems: 100,
        items: PATH,
        default: ["."],
        description: "The folders that it may touch, with all that is in them.",
        examples: [["out", "published"]],
      },
      as: {
        enum: ["text", "json", "base64"],
        default: "text",
        description: "`read`: how the content is handed on.",
      },
      text: { type: "string", maxLength: MAX_READ_BYTES, description: "`write`: the content, as UTF-8." },
      json: { description: "`write`: the content as JSON, with two spaces and a line end." },
      base64: { type: "string", maxLength: MAX_READ_BYTES * 2, description: "`write`: the content as base64." },
      ifDigest: {
        type: "string",
        pattern: `^absent$|${DIGEST}`,
        description: "`write`, `copy`, `move`, `remove`: what must be at the target now, a sha256 or `absent`.",
        examples: ["absent"],
      },
      expect: {
        type: "string",
        pattern: DIGEST,
        description: "`read`, `copy`, `move`, `digest`: the sha256 that the file at `path` must have.",
      },
      permissions: {
        type: "string",
        pattern: "^0?[0-7]{3}$",
        description:
          '`write`, `copy`, `mkdir`: as for chmod. Default: those of the file that is replaced, else "644"; of folders "755".',
        examples: ["600"],
      },
      parents: {
        type: "boolean",
        default: true,
        description: "`write`, `copy`, `move`, `mkdir`: make the folders above where they are missing.",
      },
      recursive: {
        type: "boolean",
        default: false,
        description: "`list`: also what is in folders. `remove`: a folder with all that is in it.",
      },
      match: {
        type: "string",
        minLength: 1,
        maxLength: 200,
        description: "`list`: only what has such a path; `*` within a name, `**` across folders.",
        examples: ["**/*.csv"],
      },
      digests: { type: "boolean", default: false, description: "`list`: with the sha256 of each file." },
      maxBytes: {
        type: "integer",
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: `A larger file fails the task. Default: 1 MiB for \`read\` (at most 8 MiB), else 64 GiB.`,
      },
      maxEntries: {
        type: "integer",
        minimum: 1,
        maximum: MAX_ENTRIES,
        default: DEFAULT_ENTRIES,
        description: "`list`: more entries fail the task.",
      },
      keep: {
        type: "string",
        minLength: 1,
        maxLength: 1000,
        description: "`read`, `write`, `copy`, `move`, `digest`: keep the file as an artifact of this name.",
        examples: ["report.json"],
      },
    },
    additionalProperties: false,
  },
  output: {
    type: "object",
    required: ["path"],
    properties: {
      path: { type: "string", description: "The file or folder, absolute; of `copy` and `move` the new one." },
      bytes: { type: "integer", description: "Size of the file." },
      digest: { type: "string", description: "sha256 of the file." },
      previous: {
        type: ["string", "null"],
        description: "`write`, `copy`, `move`: sha256 of what was there before; null where nothing was.",
      },
      changed: { type: "boolean", description: "Whether something was changed; false where it was done already." },
      removed: { type: "integer", description: "`remove`: how many files and folders went." },
      text: { type: "string", description: "`read` as text." },
      json: { description: "`read` as JSON." },
      base64: { type: "string", description: "`read` as base64." },
      permissions: { type: "string", description: "`digest`: as for chmod." },
      modifiedAt: { type: "integer", description: "`digest`: when it was last written, in epoch milliseconds." },
      count: { type: "integer", description: "`list`: how many entries there are." },
      entries: {
        type: "array",
        description: "`list`: what there is, in the order of its path.",
        items: {
          type: "object",
          required: ["path", "kind"],
          properties: {
            path: { type: "string", description: "From the folder that is listed." },
            kind: { enum: ["file", "folder", "link", "other"], description: "What it is. Links are not followed." },
            bytes: { type: "integer", description: "Of a file: its size." },
            digest: { type: "string", description: "Of a file, with `digests`: its sha256." },
          },
        },
      },
    },
  },
  effects: ["write"],
  runs: "inline",
  example: {
    operation: "write",
    path: "out/report.json",
    json: { passed: true },
    roots: ["out"],
    ifDigest: "absent",
  },
};
