import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Place } from "../../packages/maestro/test/support/maestro.ts";

// The runbook for real: three instances that are processes, a control API, and the command.

const HERE = fileURLToPath(new URL(".", import.meta.url));
const RUNBOOK = join(HERE, "rolling-deploy.maestro.yaml");

interface Instance {
  readonly name: string;
  readonly version: string;
}

interface Shown {
  readonly run: { readonly id: string; readonly status: string };
  readonly error: { readonly code: string } | null;
  readonly outputs: { readonly after?: readonly Instance[] };
  readonly receipts: readonly unknown[];
}

describe("rolling-deploy", () => {
  let place: Place;
  let fleet: ChildProcess;
  let url = "";
  before(async () => {
    place = await Place.make();
    fleet = spawn(process.execPath, [join(HERE, "fleet.mjs"), "--port", "0", "--broken", "9.9.9"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [line] = (await once(fleet.stdout!, "data")) as [Buffer];
    url = String(line).trim();
  });
  after(async () => {
    fleet.kill();
    await place.remove();
  });

  const versions = async (): Promise<readonly string[]> =>
    ((await (await fetch(`${url}/instances`)).json()) as Instance[]).map(({ version }) => version);

  /** Starts it, and returns what its end or its approval looks like. */
  async function deploy(version: string, code: number): Promise<Shown> {
    const inputs = ["-i", `fleet=${url}`, "-i", `version=${version}`];
    const why = ["--purpose", "deploy", "--authority", "CHANGE-7"];
    const started = await place.run(["run", RUNBOOK, ...inputs, ...why, "--no-wait", "-o", "json"]);
    assert.equal(started.code, code, started.err + started.out);
    return show();
  }

  async function show(): Promise<Shown> {
    const shown = await place.run(["show", "@last", "-o", "json"]);
    assert.equal(shown.code, 0, shown.err);
    return JSON.parse(shown.out) as Shown;
  }

  async function answer(verb: "approve" | "deny", run: string): Promise<void> {
    const plan = await place.run(["plan", RUNBOOK, "-o", "name"]);
    const said = await place.run([verb, run, "--plan", plan.out.trim(), "--reason", "looked at it", "--yes"]);
    assert.equal(said.code, 0, said.err);
    await place.run(["watch", run]);
  }

  it("deploys the canary, waits for a person, and then deploys the others", async () => {
    const { run } = await deploy("1.1.0", 10);
    assert.deepEqual(await versions(), ["1.1.0", "1.0.0", "1.0.0"]);
    await answer("approve", run.id);
    assert.deepEqual(await versions(), ["1.1.0", "1.1.0", "1.1.0"]);
    const children = await place.run(["runs", "--workflow", "deploy-instance", "-o", "json"]);
    const { runs } = JSON.parse(children.out) as { runs: { readonly status: string; readonly parentRun: string }[] };
    assert.deepEqual(
      runs.map(({ status, parentRun }) => [status, parentRun]),
      Array.from({ length: 3 }, () => ["succeeded", run.id]),
    );
  });

  it("puts the canary back where it does not become healthy, and asks nobody", async () => {
    const { error } = await deploy("9.9.9", 1);
    assert.equal(error?.code, "CHILD");
    assert.deepEqual(await versions(), ["1.1.0", "1.1.0", "1.1.0"]);
  });

  it("takes the canary back where the answer is no", async () => {
    const { run } = await deploy("1.2.0", 10);
    assert.deepEqual(await versions(), ["1.2.0", "1.1.0", "1.1.0"]);
    await answer("deny", run.id);
    assert.deepEqual(await versions(), ["1.1.0", "1.1.0", "1.1.0"]);
  });
});
