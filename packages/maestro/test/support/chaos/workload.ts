import type { JsonObject } from "../../../src/core/json.ts";

/** One run of the mixed workload, started once per round. */
export interface Item {
  /** With the round it is the idempotency key. */
  readonly name: string;
  readonly manifest: string;
  readonly inputs?: JsonObject;
  readonly purpose?: string;
  /** Started when that run of the same round has ended. */
  readonly after?: string;
  /** What the people of this workload do when the run waits. */
  readonly attend?: "approve" | "signal" | "cancel";
  /**
   * How closely a disturbed run equals an undisturbed one: step by step, or, where lost attempts rightly change the way
   * there (a budget counts them, a script that failed half-way succeeds the second time), in what it came to.
   */
  readonly equal: "steps" | "outcome";
}

const LINE = String.raw`printf '%s/%s/%s/%s\n' "$MAESTRO_RUN" "$MAESTRO_TASK" "$MAESTRO_ITEM" "$MAESTRO_ATTEMPT" >> "$EFFECTS"`;
const SPEC = `  type: demo
  purposes: [test]
  license: internal
`;
const INPUTS = `  inputs:
    effects: { type: string }
    round: { type: integer }
`;

function manifest(name: string, body: string, inputs = INPUTS): string {
  const budget = body.includes("  budget:") ? "" : "  budget: { wall: 10m }\n";
  return `apiVersion: maestro/v1\nkind: Runbook\nmetadata: { namespace: chaos, name: ${name}, version: 1.0.0 }\nspec:\n${SPEC}${budget}${inputs}${body}`;
}

/** A script that leaves a line in the effects file, outside of the data directory, and then does what else it shall. */
function script(then = "", rest = ""): string {
  const text = JSON.stringify(`${LINE}\n${then}`);
  return `{ uses: exec@1, runner: { kind: process, sandbox: none }, with: { script: ${text}, env: { EFFECTS: "\${{ inputs.effects }}" } }${rest} }`;
}

function undo(): string {
  const text = JSON.stringify(LINE);
  return `, undo: { uses: exec@1, with: { script: ${text}, env: { EFFECTS: "\${{ inputs.effects }}" } } }`;
}

const RETRY = "retry: { attempts: 2, backoff: { initial: 20ms, factor: 1, max: 20ms, jitter: none } }";

/** Named by `parent`; it is started once by itself so that its plan is stored. */
const CHILD = manifest(
  "child",
  `  tasks:
    work: ${script()}
    last: { uses: noop@1, needs: [work], with: { value: { of: child } } }
  outputs: { said: "\${{ tasks.last.output.of }}" }
`,
);

const KEYED = manifest(
  "keyed",
  `  concurrency: { key: string(inputs.round), max: 1, onConflict: queue }
  tasks:
    only: ${script()}
    then: { uses: noop@1, needs: [only], with: { value: 1 } }
`,
);

const CACHED = manifest(
  "cached",
  `  tasks:
    costly: ${script('echo \'{"found":42}\' > "$MAESTRO_OUTPUT"', ', cache: { key: "${{ inputs.round }}" }')}
    use: { uses: noop@1, with: { value: "\${{ tasks.costly.output.value.found }}" } }
  outputs: { found: "\${{ tasks.use.output }}" }
`,
);

const CHAIN = Array.from(
  { length: 8 },
  (_, i) =>
    `    t${i}: { uses: noop@1, with: { value: "${i === 0 ? "0" : `\${{ tasks.t${i - 1}.output }}`}-${i}" } }\n`,
).join("");

/** Every kind of step there is. The order of starting is the order of this list. */
export const WORKLOAD: readonly Item[] = [
  { name: "child", manifest: CHILD, equal: "steps" },
  {
    name: "chain",
    manifest: manifest(
      "chain",
      `  tasks:\n${CHAIN}  outputs: { way: "\${{ tasks.t7.output }}" }\n`,
      "  inputs:\n    round: { type: integer }\n    effects: { type: string }\n",
    ),
    equal: "steps",
  },
  {
    name: "fan-out",
    manifest: manifest(
      "fan-out",
      `  tasks:
    many: { forEach: { items: "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]", as: n, max: 5 }, uses: noop@1, with: { value: "\${{ n * n }}" } }
    hard:
      forEach: { items: "[1, 2, 3, 4]", as: n, max: 3, onItemFailure: continue }
      uses: exec@1
      runner: { kind: process, sandbox: none }
      with: { script: ${JSON.stringify(`${LINE}\ntest "$N" != 2`)}, env: { EFFECTS: "\${{ inputs.effects }}", N: "\${{ string(n) }}" } }
      ${RETRY}
      continueOnError: true
    sum: { uses: noop@1, needs: [hard], when: tasks.hard.failed == 1, with: { value: "\${{ tasks.many.output[11] }}" } }
  outputs: { sum: "\${{ tasks.sum.output }}" }
`,
    ),
    equal: "steps",
  },
  {
    name: "commands",
    manifest: manifest(
      "commands",
      `  tasks:
    one: ${script()}
    forks: ${script("sleep 300 >/dev/null 2>&1 & sleep 0.03", ", needs: [one]")}
    stubborn: ${script("trap '' TERM; sleep 0.03", ", needs: [one]")}
    last: ${script("", ", needs: [forks, stubborn]")}
`,
    ),
    equal: "steps",
  },
  {
    name: "flaky",
    manifest: manifest(
      "flaky",
      `  tasks:
    once: ${script('seen="$EFFECTS.$MAESTRO_RUN"; test -e "$seen" || { : > "$seen"; exit 3; }', `, ${RETRY}`)}
`,
    ),
    equal: "outcome",
  },
  {
    name: "timers",
    manifest: manifest(
      "timers",
      `  tasks:
    short: { uses: wait@1, with: { duration: 150ms } }
    line: ${script("", ", needs: [short]")}
    again: { uses: wait@1, needs: [line], with: { duration: 100ms } }
    ask: { uses: noop@1, needs: [short], with: { value: { ready: false } }, until: { condition: task.output.ready, every: 30ms, max: 3 }, continueOnError: true }
`,
    ),
    equal: "steps",
  },
  {
    name: "signal",
    manifest: manifest(
      "signal",
      `  tasks:
    hold: { uses: wait@1, with: { signal: go } }
    say: { uses: noop@1, with: { value: "\${{ tasks.hold.output.payload.word }}" } }
  outputs: { word: "\${{ tasks.say.output }}" }
`,
    ),
    attend: "signal",
    equal: "steps",
  },
  {
    name: "approval",
    manifest: manifest(
      "approval",
      `  tasks:
    gate: { uses: approval@1, with: { message: Go on?, notRequester: false } }
    act: ${script("", ", needs: [gate], approvals: { count: 1, notRequester: false, expires: 1h }")}
`,
    ),
    attend: "approve",
    equal: "steps",
  },
  {
    name: "parent",
    manifest: manifest(
      "parent",
      `  tasks:
    one: { uses: "runbook:chaos/child@1.0.0", with: { effects: "\${{ inputs.effects }}", round: "\${{ inputs.round }}" } }
    some: { forEach: { items: "[1, 2]", as: n }, needs: [one], uses: "runbook:chaos/child@1.0.0", with: { effects: "\${{ inputs.effects }}", round: "\${{ n }}" } }
  outputs: { said: "\${{ tasks.one.output.said }}" }
`,
    ),
    after: "child",
    equal: "steps",
  },
  { name: "cache-miss", manifest: CACHED, equal: "steps" },
  { name: "cache-hit", manifest: CACHED, after: "cache-miss", equal: "steps" },
  {
    name: "rollback",
    manifest: manifest(
      "rollback",
      `  onFailure: rollback
  tasks:
    a: ${script("", undo())}
    b: ${script("", `, needs: [a]${undo()}`)}
    c: ${script("exit 9", ", needs: [b]")}
  finally:
    tell: { uses: noop@1, with: { value: "\${{ run.status }}" } }
`,
    ),
    equal: "steps",
  },
  {
    name: "budget",
    manifest: manifest("budget", `  budget: { tasks: 3, wall: 10m }\n  tasks:\n${CHAIN}`),
    equal: "outcome",
  },
  {
    name: "cancelled",
    manifest: manifest(
      "cancelled",
      `  tasks:
    line: ${script()}
    never: { uses: wait@1, needs: [line], with: { signal: never } }
    after: { uses: noop@1, needs: [never], with: { value: 1 } }
  finally:
    tidy: ${script()}
`,
    ),
    attend: "cancel",
    equal: "steps",
  },
  {
    name: "denied",
    manifest: manifest("denied", "  tasks:\n    a: { uses: noop@1, with: { value: 1 } }\n"),
    purpose: "mischief",
    equal: "steps",
  },
  {
    name: "large",
    manifest: manifest(
      "large",
      `  tasks:
    carry: { uses: noop@1, with: { value: "\${{ inputs.big }}" } }
    size: { uses: noop@1, with: { value: "\${{ size(tasks.carry.output) }}" } }
  outputs: { size: "\${{ tasks.size.output }}" }
`,
      `${INPUTS}    big: { type: string }\n`,
    ),
    inputs: { big: "large ".repeat(8000) },
    equal: "steps",
  },
  { name: "key-1", manifest: KEYED, equal: "steps" },
  { name: "key-2", manifest: KEYED, equal: "steps" },
  { name: "key-3", manifest: KEYED, equal: "steps" },
];

export function keyOf(round: number, item: Item): string {
  return `${round}/${item.name}`;
}
