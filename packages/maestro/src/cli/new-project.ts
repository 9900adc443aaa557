/** The files of a small project that works, by their names. */
export function projectFiles({
  namespace,
  name,
}: {
  readonly namespace: string;
  readonly name: string;
}): Readonly<Record<string, string>> {
  return {
    [`${name}.maestro.yaml`]: manifest(namespace, name),
    [`${name}.maestro.test.yaml`]: TESTS,
    "inputs.yaml": `# Inputs of a run: maestro run ${name}.maestro.yaml -f inputs.yaml\nwho: world\n`,
    "README.md": readme(name),
  };
}

function manifest(namespace: string, name: string): string {
  return `apiVersion: maestro/v1
kind: Runbook
metadata:
  namespace: ${namespace}
  name: ${name}
  version: 0.1.0
  description: Greets somebody, and says how long the greeting was.
spec:
  type: ops
  # Why it may run; a run names one of these, and its receipt says which.
  purposes: [operations]
  inputs:
    who: { type: string, minLength: 1, default: world, description: Whom to greet }
  # A run ends when this is used up, whatever happens.
  budget: { wall: 5m }
  tasks:
    greet:
      uses: exec@1
      with:
        argv: [echo, "Hello, \${{ inputs.who }}!"]
        output: { from: stdout-text }
    # It reads what greet gave, so it comes after it.
    measure:
      uses: noop@1
      with: { value: "\${{ size(tasks.greet.output.stdout) }}" }
  outputs:
    greeting: "\${{ tasks.greet.output.stdout }}"
    length: "\${{ tasks.measure.output }}"
`;
}

const TESTS = `# What the runbook does, without doing it: maestro test
apiVersion: maestro/v1
kind: WorkflowTest
cases:
  - name: greets by name, and says how long that was
    inputs: { who: Ada }
    fakes: { greet: { output: { exit: 0, stdout: "Hello, Ada!" } } }
    expect: { status: succeeded, outputs: { length: 11 } }
  - name: measures nothing where the greeting fails
    fakes: { greet: { fail: EXIT } }
    expect: { status: failed, error: EXIT, tasks: { measure: skipped } }
`;

function readme(name: string): string {
  return `# ${name}

    maestro lint .                                    # everything that is wrong, at once
    maestro test                                      # what it does, without doing it
    maestro plan ${name}.maestro.yaml                 # what a run would ask, touch and spend
    maestro run ${name}.maestro.yaml -f inputs.yaml   # run it
    maestro logs @last                                # what the tasks wrote
    maestro receipt show @last                        # the proof, verified

While you write: \`maestro up .\` keeps an engine at work that follows every edit, and \`maestro run ${name}\` runs what the
file says now. When it is done: \`maestro catalog publish ${name}.maestro.yaml\` makes a version that never changes.

The runs of this project live in \`.maestro/\`, which is not for version control. \`maestro task list\` lists what tasks can do.
`;
}
