import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { SOCKET_ORIGIN, socketTransport, socketPath } from "../../src/api/socket.ts";
import type { RunRow } from "../../src/store/store.ts";
import { Place } from "../support/maestro.ts";
import type { Started } from "../support/maestro.ts";

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: many, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  inputs:
    n: { type: integer }
  tasks:
    a: { uses: noop@1, with: { value: "\${{ inputs.n }}" } }
    b: { uses: noop@1, with: { value: "\${{ tasks.a.output }}" } }
  outputs: { n: "\${{ tasks.b.output }}" }
`;

describe("a thousand submissions at once, over the socket", () => {
  let place: Place;
  let engine: Started;
  let ask: (
    method: "GET" | "POST",
    path: string,
    body?: object,
  ) => Promise<{ status: number; body: Record<string, unknown> }>;

  before(async () => {
    place = await Place.make();
    engine = place.start(["up"]);
    await engine.shows(/is up/);
    const handle = socketTransport(socketPath(join(place.dir, "data")));
    ask = async (method, path, body) => {
      const headers = { "content-type": "application/json" };
      const init = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) };
      const response = await untilTaken(() => handle(new Request(`${SOCKET_ORIGIN}${path}`, init)));
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
  });
  after(async () => {
    engine.child.kill("SIGTERM");
    await engine.ended;
    await place.remove();
  });

  it("are each recorded once, run, and end as they should", async () => {
    const start = async (n: number): ReturnType<typeof ask> =>
      ask("POST", "/v1/runs", {
        ...(n === 0 ? { manifest: MANIFEST } : { workflow: "t/many" }),
        inputs: { n },
        key: `n${n}`,
      });
    const first = await start(0);
    assert.equal(first.status, 201);
    // Every key twice: the second answer must be the first one's run.
    const all = await Promise.all([...numbers(), ...numbers()].map(start));
    const ids = all.map(({ status, body }, i) => {
      assert.equal(status, 201, `${i}: ${JSON.stringify(body)}`);
      return (body["run"] as RunRow).id;
    });
    assert.deepEqual(ids.slice(0, 1000), ids.slice(1000));
    assert.equal(new Set(ids).size, 1000);
    // Each question is answered after the turns before it, so this ends when the engine has.
    while (((await ask("GET", "/v1/runs?status=queued,running&limit=1")).body["runs"] as readonly RunRow[]).length > 0);
    const ended: RunRow[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const page = await ask(
        "GET",
        `/v1/runs?status=succeeded&limit=500${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      ended.push(...(page.body["runs"] as readonly RunRow[]));
      cursor = page.body["cursor"] as string | null;
    }
    assert.equal(ended.length, 1001);
    const sample = await ask("GET", `/v1/runs/${ids[417]}`);
    assert.deepEqual(sample.body["outputs"], { n: 418 });
  });
});

function numbers(): readonly number[] {
  return Array.from({ length: 1000 }, (_, i) => i + 1);
}

/** The system holds only so many connections (511) for an engine that is busy elsewhere, and turns away the next: nothing of it has arrived. */
async function untilTaken(send: () => Promise<Response>): Promise<Response> {
  try {
    return await send();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    await turn();
    return untilTaken(send);
  }
}
