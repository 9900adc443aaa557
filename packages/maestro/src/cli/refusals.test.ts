import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pipe } from "../../test/support/pipe.ts";
import { execute } from "./main.ts";

// Command lines and values that must be refused: with which exit code, in which words, and never with output as if it had worked.

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: ok, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  inputs: { n: { type: integer, default: 3 } }
  tasks:
    last: { uses: noop@1, with: { value: "\${{ inputs.n }}" } }
`;

const BROKEN = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: broken, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  tasks:
    a: { uses: exek@1, with: { argv: ["true"] } }
    b: { uses: noop@1, needs: [aa], with: { value: 1 } }
`;

let dir = "";
const env = (): NodeJS.ProcessEnv => ({ MAESTRO_DATA: join(dir, "data") });

describe("the command line refuses", () => {
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-refusals-"));
    await writeFile(join(dir, "ok.yaml"), MANIFEST);
    await writeFile(join(dir, "broken.yaml"), BROKEN);
    for (const name of ["one", "two"])
      assert.equal(await execute(["run", "ok.yaml", "--name", name], pipe(env()).terminal, dir), 0);
  });
  after(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));

  const refused: readonly (readonly [readonly string[], number, RegExp, string?])[] = [
    [["rnu"], 2, /Unknown command 'rnu'\. Did you mean run\?/],
    [["run"], 2, /Give a runbook .* or --from-run/],
    [["run", "ok.yaml", "--purpse", "x"], 2, /Did you mean --purpose\?/],
    [["run", "none.yaml"], 5, /There is no file none\.yaml/],
    [["run", "nope"], 5, /No workflow nope is stored here/],
    [["run", "."], 2, /is a folder/],
    [["run", "broken.yaml"], 2, /error\[invalid_manifest\]: broken\.yaml has 2 problems/],
    [["run", "-"], 2, /the manifest is empty/, ""],
    [["run", "-"], 2, /invalid_manifest/, "nonsense"],
    [["run", "ok.yaml", "-i", "n=x"], 2, /Input n is integer, not "x"/],
    [["run", "ok.yaml", "-i", "m=1"], 2, /has no input m/],
    [["run", "ok.yaml", "-i", "n"], 2, /-i takes key=value/],
    [["run", "ok.yaml", "-f", "-"], 2, /neither JSON nor YAML/, "{"],
    [["run", "ok.yaml", "-f", "-"], 2, /must hold an object/, "[1]"],
    [["run", "ok.yaml", "-f", "-"], 2, /neither JSON nor YAML/, "a: &x [1]\nb: [*x]"],
    [["run", "-", "-f", "-"], 2, /Only one of the manifest and the inputs/],
    [["run", "ok.yaml", "--plan", "sha256:1"], 2, /--plan takes a whole digest/],
    [["run", "ok.yaml", "--plan", `sha256:${"0".repeat(64)}`], 6, /error\[plan_changed\]/],
    [["run", "ok.yaml", "--priority", "1000"], 2, /--priority takes a whole number from -100 to 100/],
    [["run", "ok.yaml", "--label", "x"], 2, /--label takes key=value/],
    [["run", "ok.yaml", "--label", "a b=x"], 2, /labels\/a b the name must match/],
    [["run", "ok.yaml", "--timeout", "soon"], 2, /--timeout takes a duration/],
    [["run", "ok.yaml", "--detach", "--wait"], 2, /--detach and --no-watch do not wait/],
    [["run", "--from-run", "@last", "--name", "x"], 2, /--from-run keeps the run's own plan/],
    [["show", "r_zzz"], 5, /No run's id is, begins or ends with r_zzz/],
    [["show", "r_"], 2, /stands for several runs/],
    [["show", "../../etc"], 2, /is not a run id/],
    [["show", "@first"], 2, /there are @last and @failed/],
    [["logs", "@last", "nope"], 5, /has no task nope/],
    [["logs", "@last", "a[b]"], 2, /is not a task/],
    [["runs", "--status", "faild"], 2, /did you mean failed/],
    [["runs", "--since", "yesterday"], 2, /--since takes a duration/],
    [["runs", "-o", "xml"], 2, /--output takes one of/],
    [["runs", "--fields", "x"], 2, /there is no column x/],
    [["task", "show", "exek"], 5, /Did you mean exec\?/],
    [["policy", "test", "none"], 2, /none/],
    [["policy", "what-if", "--request", "none.json"], 2, /none\.json cannot be read: there is no such file\./],
    [["policy", "break-glass", "--for", "30m", "--reason", "it burns"], 2, /--reason takes 20 characters or more/],
    [["audit", "--verify", "--checkpoint", "none"], 2, /none cannot be read: there is no such file\./],
    [["verify", "ok.yaml", "--trust-root", "none"], 2, /The trust root none cannot be read: there is no such file\./],
    [["receipt", "reveal", "."], 2, /\. cannot be read: it is a folder\./],
    [["help", "plan_chnged"], 5, /Did you mean plan_changed\?/],
    [["help", "PROGRAM_CHANGED"], 5, /a code that a task fails with[\s\S]*maestro show RUN/],
  ];

  for (const [args, code, message, stdin = ""] of refused) {
    it(`maestro ${args.join(" ").slice(0, 60)} ${stdin}: exit ${code}`, async () => {
      const { terminal, out, err } = pipe(env(), stdin);
      assert.equal(await execute(args, terminal, dir), code, err());
      assert.match(err(), message);
      assert.match(err(), /^fix: .+\nsee: maestro help \w+\n$/m);
      assert.equal(out(), "");
    });
  }

  it("with the same as data, where data is asked for", async () => {
    const { terminal, out, err } = pipe(env());
    assert.equal(await execute(["show", "r_zzz", "--json"], terminal, dir), 5);
    assert.equal(err(), "");
    assert.deepEqual(Object.keys((JSON.parse(out()) as { error: object }).error), [
      "code",
      "class",
      "message",
      "facts",
      "fix",
      "docs",
    ]);
  });
});
