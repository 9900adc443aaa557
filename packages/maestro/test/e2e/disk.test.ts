import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import type { RunEvent } from "../../src/core/event.ts";
import { replayRun } from "../../src/engine/replay-run.ts";
import type { ControlPlane } from "../../src/serve.ts";
import { openControlPlane } from "../../src/serve.ts";
import type { RunRow } from "../../src/store/store.ts";

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: full, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  tasks:
    hold: { uses: wait@1, with: { signal: go } }
    many: { forEach: { items: "[1, 2, 3, 4, 5]", as: n }, needs: [hold], uses: noop@1, with: { value: "\${{ n }}" } }
    last: { uses: noop@1, with: { value: "\${{ tasks.many.output }}" } }
`;

describe("a disk that is full while runs are active", () => {
  const root = mkdtempSync(join(tmpdir(), "maestro-disk-"));
  const dir = join(root, "disk");
  mkdirSync(dir);
  const mounted = mountSmall(dir);
  let plane: ControlPlane;
  const logged: string[] = [];
  before(async () => {
    if (mounted !== undefined) return;
    plane = await openControlPlane({
      dataDir: dir,
      log: (level, message, fields) => logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
    });
  });
  after(async () => {
    if (mounted === undefined) {
      await plane.close();
      execFileSync("/bin/umount", [dir]);
    }
    rmSync(root, { recursive: true });
  });

  it(
    "refuses by name, loses nothing, and goes on by itself when there is room",
    mounted === undefined ? {} : { skip: mounted },
    async () => {
      const runs: RunRow[] = [];
      for (let i = 0; i < 5; i++) runs.push((await started(await post("/v1/runs", { manifest: MANIFEST }))).run);
      const ends = runs.map(async ({ id }) => endOf(plane, id));

      const ballast = join(dir, "ballast");
      fill(ballast);
      const accepted: RunRow[] = [];
      let refused: Response | undefined;
      for (let i = 0; refused === undefined && i < 1000; i++) {
        const answer = await post("/v1/runs", { workflow: "t/full" });
        if (answer.status === 201) accepted.push((await started(answer)).run);
        else refused = answer;
      }
      assert.equal(refused?.status, 503);
      const problem = (await refused.json()) as {
        readonly code: string;
        readonly detail: string;
        readonly fix?: unknown;
      };
      assert.equal(problem.code, "storage_full");
      assert.match(problem.detail, /There is no room left to write .*maestro\.db; nothing of this commit was kept\./);
      assert.match(logged.join("\n"), /error a turn could not be made durable; it is tried again .*storage_full/);
      for (const { id } of [...runs, ...accepted]) assert.equal((await plane.engine.view(id)).run.status, "running");

      rmSync(ballast);
      for (const { id } of runs) await signalled(id);
      for (const end of await Promise.all(ends))
        assert.equal(end.kind === "run_ended" ? end.status : end.kind, "succeeded");
      for (const { id } of runs) assert.equal((await replayRun(plane.engine, id)).equal, true);
    },
  );

  async function post(path: string, body: object): Promise<Response> {
    const headers = { "content-type": "application/json" };
    return plane.asOwner(
      new Request(`http://maestro.local${path}`, { method: "POST", headers, body: JSON.stringify(body) }),
    );
  }

  async function started(response: Response): Promise<{ readonly run: RunRow }> {
    const text = await response.text();
    assert.equal(response.status, 201, text);
    return JSON.parse(text) as { readonly run: RunRow };
  }

  /** As a patient caller: what is refused because the engine has not noticed the room yet is tried again. */
  async function signalled(run: string): Promise<void> {
    for (;;) {
      const answer = await post(`/v1/runs/${run}/signals`, { name: "go" });
      if (answer.status === 200) return;
      assert.equal(answer.status, 503, await answer.text());
      await turnOfTheLoop();
    }
  }
});

async function endOf(plane: ControlPlane, run: string): Promise<RunEvent> {
  return new Promise((resolve) => {
    const stop = plane.engine.subscribe(run, (_, events) => {
      const last = events.at(-1);
      if (last?.kind !== "run_ended") return;
      stop();
      resolve(last);
    });
  });
}

/** Why not, where a small file system cannot be mounted. */
function mountSmall(dir: string): string | undefined {
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", dir], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    const reason = `a small file system cannot be mounted here (needs root): ${String(error).split("\n")[0]}`;
    console.warn(`SKIPPED: a test of a full disk: ${reason}`);
    return reason;
  }
}

function fill(path: string): void {
  for (let size = 1 << 20; size >= 1; size >>= 1) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: "a" });
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
  }
}
