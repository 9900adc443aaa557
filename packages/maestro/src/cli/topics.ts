import { variableLines } from "./variables.ts";

/** Pages of `maestro help TOPIC` that are no command. Plain text, at most 100 columns. */
export const TOPICS: Readonly<Record<string, { readonly title: string; readonly text: string }>> = {
  "exit-codes": {
    title: "what the exit codes mean",
    text: `Exit codes are stable. -o json says the same in error.class.

    0  it worked; a watched run succeeded
    1  the run or the check failed or was cancelled, or Maestro met a fault of its own
    2  a wrong command line, manifest or input
    3  denied by policy, or an approval was denied or expired
    4  identity, passphrase or key is missing or not accepted
    5  there is no such object
    6  the object is in another state, or the plan changed
    7  verification failed: a receipt, a signature, a replay, the database
    8  timed out, or the budget is used up
    9  the engine, its data directory or its disk cannot serve it now
   10  it waits for an approval, and --no-wait was given
   11  the ledger is not the one that was signed: somebody changed it, or took it back to an older state
  130  interrupted by Ctrl-C (143 by SIGTERM)

A run that is left (--timeout, Ctrl-C) goes on; only its watching has ended.`,
  },
  environment: {
    title: "environment variables and files",
    text: `${variableLines()}

A data directory holds everything: maestro.db, blobs/, logs/, keys/, lock.db and control.sock, through which other
maestro commands reach the process that holds the engine. One process at a time is the engine of a data directory; if
it ends, the next command takes over. Nothing is sent anywhere but traces, where OTEL_EXPORTER_OTLP_ENDPOINT or --otlp
names a receiver.`,
  },
  formatting: {
    title: "output formats",
    text: `stdout is data, stderr is talk: progress, summaries, hints and errors.

  -o table   aligned for a terminal; into a pipe the same columns whole, separated by tabs, without a head
  -o wide    more columns, nothing shortened
  -o json    the API's object with apiVersion and kind; errors too, as {"error": {...}}
  -o jsonl   one object per line
  -o yaml    the same as JSON
  -o name    only the id, for other commands
  --fields   columns of a table by their heads, or members of a JSON object: --fields id,status

JSON is stable and versioned; tables are not. Ids may be shortened to any unique beginning or end; @last is the newest
run and @failed the newest that failed. Times are UTC.

Statuses have a shape, a word and a colour:
  ○ queued   ◐ running   ◫ waiting   ✓ succeeded   ✗ failed   ⊘ denied   ⊖ cancelled   › skipped`,
  },
  expressions: {
    title: "expressions in manifests",
    text: `Expressions are CEL (https://cel.dev), in two places and never mixed:

  whole fields            when, forEach.items, until.condition, retry.on, concurrency.key
  \${{ … }} in values      a value that is exactly one \${{ … }} keeps its type; inside a longer text it becomes text

Names:
  inputs.NAME                        the run's inputs
  tasks.ID.output                    what a task gave; of a fan-out a list in item order: tasks.pack[0].output
  tasks.ID.status                    succeeded, failed, skipped, cancelled
  tasks.ID.failed, .succeeded        counts of a fan-out's items
  tasks.ID.artifacts                 files: name, path, digest, size
  run.id, run.name, run.status, …    the run; task.dir is the attempt's own folder
  the \`as\` name, item.index          inside of forEach
  error.code, error.message          in retry.on
  now                                the recorded time

A shell script takes no interpolation: pass values by env or argv. Regular expressions are RE2. Size, depth and steps
of an expression are limited; maestro lint checks names and types before anything runs.`,
  },
};
