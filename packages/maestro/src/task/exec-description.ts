import type { JsonObject } from "../core/json.ts";
import type { TaskDescription } from "./task.ts";

const ARGUMENT: JsonObject = { type: ["string", "number", "boolean"] };

export const execDescription: TaskDescription = {
  name: "exec",
  version: 1,
  title: "Runs a program or a shell script",
  docs: `Runs a program with its arguments (\`argv\`, no shell involved) or a shell \`script\`, in the attempt's own empty folder unless \`cwd\` says otherwise. All it
prints goes to the task's log. It runs under the sandbox and the limits of the task's \`runner\`, and when it is cancelled or takes too long the whole process tree ends.

**Values go in** by \`argv\`, \`env\` and \`stdin\`. A \`script\` takes no \`\${{ … }}\`, because text pasted into a script becomes code: put the value into \`env\` and
write \`"$NAME"\`. The environment holds PATH, HOME, TMPDIR, LANG, what \`env\` and \`secrets\` add, and \`MAESTRO_RUN\`, \`MAESTRO_TASK\`, \`MAESTRO_ITEM\`, \`MAESTRO_ATTEMPT\`,
\`MAESTRO_DIR\` (the attempt's folder), \`MAESTRO_BASE\` (the folder the run was started in) and \`MAESTRO_OUTPUT\`. A script stops at the first command that fails (\`-e\`, with bash also \`pipefail\`).

**Values come out** as \`tasks.ID.output.value\`:

- Write JSON to the file that \`MAESTRO_OUTPUT\` names. It needs no further field; a command that writes nothing has no \`value\`.
- \`output: { from: stdout-json }\`: stdout is one JSON value. For \`npm pack --json\`, \`tasks.pack.output.value[0].filename\` is the archive.
- \`output: { from: file, path: report.json }\`: a file that the command leaves in its folder.
- \`output: { from: stdout-text }\`: text as \`tasks.ID.output.stdout\`, cut at \`captureBytes\`; \`truncated\` says so.

Files are kept by the task's \`artifacts\` globs, not by this type.

**It fails** with \`EXIT\` (an exit code that is not in \`successExitCodes\`; the message ends with the last lines of stderr, \`error.details.exit\` is the code), \`SIGNAL\`, \`LIMIT\` (memory, CPU,
file size, processes), \`OUTPUT_INVALID\` (the promised JSON is missing or malformed; the message names line and column), \`ISOLATION\` or \`UNAVAILABLE\` (it could not be started).`,
  input: {
    type: "object",
    properties: {
      argv: {
        type: "array",
        minItems: 1,
        maxItems: 10_000,
        items: ARGUMENT,
        description: "The program and its arguments, passed as they are. Numbers and booleans become text.",
        examples: [["npm", "pack", "--json"]],
      },
      script: {
        type: "string",
        minLength: 1,
        description: "A shell script instead of `argv`. It takes no expressions; pass values by `env`.",
        "x-maestro-literal": true,
        examples: ['tar -czf "$MAESTRO_DIR/site.tgz" public'],
      },
      shell: {
        enum: ["sh", "bash", "dash", "zsh", "ksh"],
        default: "sh",
        description: "The shell that reads the `script`.",
      },
      env: {
        type: "object",
        additionalProperties: ARGUMENT,
        description: "Environment variables. Names that begin with MAESTRO_ are reserved.",
        examples: [{ SOURCE_DATE_EPOCH: "0" }],
      },
      cwd: {
        type: "string",
        minLength: 1,
        description: "Where it runs, relative to the folder the run was started in. Default: the attempt's own folder.",
        examples: ["packages/api"],
      },
      stdin: { description: "What it reads from stdin: text as it is, any other value as JSON. Default: nothing." },
      output: {
        type: "object",
        required: ["from"],
        properties: {
          from: { enum: ["stdout-json", "stdout-text", "file"], description: "Where the result is." },
          path: {
            type: "string",
            minLength: 1,
            description:
              "With `file`: its path, relative to the attempt's folder. Default: the file that MAESTRO_OUTPUT names.",
            examples: ["report.json"],
          },
        },
        additionalProperties: false,
        description: "How the result is found. Default: the file that MAESTRO_OUTPUT names, if the command writes it.",
        examples: [{ from: "stdout-json" }],
      },
      captureBytes: {
        type: "integer",
        minimum: 1,
        maximum: 16 * 1024 * 1024,
        default: 1024 * 1024,
        description: "How much of stdout is kept for `output`. The log has all of it.",
      },
      writable: {
        type: "array",
        maxItems: 100,
        items: { type: "string", minLength: 1 },
        description:
          "Further folders that a sandboxed command may write, relative to the folder the run was started in.",
        examples: [["dist"]],
      },
      network: {
        type: "boolean",
        default: false,
        description:
          "Whether a sandboxed command may use the network. Its measured isolation is then no more than partial.",
      },
      successExitCodes: {
        type: "array",
        minItems: 1,
        items: { type: "integer", minimum: 0, maximum: 255 },
        default: [0],
        description: "Exit codes that count as success.",
        examples: [[0, 1]],
      },
    },
    oneOf: [{ required: ["argv"] }, { required: ["script"] }],
    additionalProperties: false,
  },
  output: {
    type: "object",
    required: ["exit"],
    properties: {
      exit: { type: "integer", description: "The exit code." },
      value: { description: "The JSON that the command handed out; absent where it handed out none." },
      stdout: { type: "string", description: "With `stdout-text`: what it wrote to stdout." },
      truncated: { type: "boolean", description: "With `stdout-text`: whether `stdout` was cut at `captureBytes`." },
    },
  },
  effects: ["process"],
  runs: "process",
  example: { argv: ["git", "log", "-1", "--format=%H"], cwd: ".", env: { TZ: "UTC" }, output: { from: "stdout-text" } },
};
