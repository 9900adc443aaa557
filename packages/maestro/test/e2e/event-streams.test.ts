import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { readMessages } from "../../src/api/sse.ts";
import { Place } from "../support/maestro.ts";
import { Server } from "../support/server.ts";

const WAITS = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: waits, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
    hold: { uses: wait@1, with: { signal: go } }
    say: { uses: noop@1, needs: [hold], with: { value: 1 } }
`;

describe("streams of events", () => {
  let place: Place;
  let server: Server;
  before(async () => {
    place = await Place.make();
    // All of them are one caller's, and it is the limit of all callers together that is met here.
    const limits = "{ perSecond: 1000000, atOnce: 10000, streams: 5000 }";
    await place.configure("network.yaml", `network: { identity: ${limits} }\n`);
    server = await Server.start(place);
  });
  after(async () => {
    await server.stop();
    await place.remove();
  });
  const start = async (): Promise<string> => {
    const { status, json } = await server.send("POST", "/v1/runs", { manifest: WAITS });
    assert.equal(status, 201, JSON.stringify(json));
    return (json["run"] as { readonly id: string }).id;
  };
  const follow = async (run: string, last?: string): Promise<IncomingMessage> => {
    const outgoing = request(`${server.url}/v1/runs/${run}/events`, {
      agent: false,
      headers: {
        authorization: `Bearer ${server.token}`,
        accept: "text/event-stream",
        ...(last === undefined ? {} : { "last-event-id": last }),
      },
    });
    outgoing.on("error", () => outgoing.destroy()).end();
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    return incoming;
  };

  it("resume exactly where a reader that vanished was", async () => {
    const run = await start();
    const seen: string[] = [];
    const first = await follow(run);
    for await (const { id } of readMessages(first)) {
      seen.push(id);
      if (seen.length === 2) break;
    }
    first.destroy();
    await server.send("POST", `/v1/runs/${run}/signals`, { name: "go" });
    for await (const { id, event } of readMessages(await follow(run, seen.at(-1))))
      if (event === "event") seen.push(id);
    const { json } = await server.ask({ path: `/v1/runs/${run}/events` });
    const all = (json["events"] as readonly { readonly seq: number }[]).map(({ seq }) => String(seq));
    assert.deepEqual(seen, all);
  });

  it(
    "are refused past the limit, 10,000 of them, while other requests are answered",
    { timeout: 300_000 },
    async () => {
      const run = await start();
      const statuses = new Map<number, number>();
      const sockets = await hold(server, run, 10_000, (status) =>
        statuses.set(status, (statuses.get(status) ?? 0) + 1),
      );
      try {
        assert.equal(statuses.get(200), 1000, JSON.stringify([...statuses]));
        assert.equal(statuses.get(503), 9000, JSON.stringify([...statuses]));
        assert.equal((await server.ask({ path: "/v1/health" })).status, 200);
      } finally {
        for (const socket of sockets) socket.destroy();
      }
      // Their places are free again as soon as the server has seen them go.
      for (;;) {
        const again = await follow(run);
        again.destroy();
        if (again.statusCode === 200) break;
      }
    },
  );
});

/** Opens that many event streams and keeps those that are granted open. */
async function hold(
  { url, token }: Server,
  run: string,
  count: number,
  answered: (status: number) => void,
): Promise<readonly ReturnType<typeof connect>[]> {
  const { hostname, port, host } = new URL(url);
  const text = `GET /v1/runs/${run}/events HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nAccept: text/event-stream\r\n\r\n`;
  const sockets: ReturnType<typeof connect>[] = [];
  const one = async (): Promise<void> => {
    const socket = connect(Number(port), hostname);
    sockets.push(socket);
    socket.write(text);
    const [head] = (await once(socket, "data")) as [Buffer];
    answered(Number(head.toString("latin1").split(" ")[1]));
    socket.on("error", () => socket.destroy()).resume();
  };
  // In waves: what is tested is many that stay, and not how fast a machine can shake hands.
  for (let done = 0; done < count; done += 500)
    await Promise.all(Array.from({ length: Math.min(500, count - done) }, one));
  return sockets;
}
