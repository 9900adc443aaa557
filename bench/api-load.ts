// Asks a control plane 1,000 times a second, in a process of its own, and prints how long each kind of request took. A request is
// due at its own instant, whether the ones before it were answered or not, and its time counts from there.
//   node bench/api-load.ts URL TOKEN SECONDS < {"samples": [...], "withLogs": [...], "plan": "sha256:..."}
import { once } from "node:events";
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

const RATE = 1_000;
/** The first ones meet code that was never run, and are told apart. */
const WARM_SECONDS = 20;

interface Subject {
  readonly samples: readonly string[];
  readonly withLogs: readonly string[];
  readonly plan: string;
}

interface Kind {
  readonly name: string;
  readonly share: number;
  ask(n: number): { readonly path: string; readonly body?: string };
}

const [url = "", token = "", seconds = "10"] = process.argv.slice(2);
const { samples, withLogs, plan } = (await json(process.stdin)) as Subject;
const pick = (list: readonly string[], n: number): string => list[(n * 7919) % list.length]!;

const LISTS = [
  "",
  "?status=failed",
  "?workflow=workflow-7",
  "?namespace=team-3&status=failed",
  "?label=env%3Dprod",
  "?status=running,queued",
  "?workflow=workflow-7&status=failed&limit=20",
];

const KINDS: readonly Kind[] = [
  { name: "list", share: 20, ask: (n) => ({ path: `/v1/runs${pick(LISTS, n)}` }) },
  { name: "get", share: 30, ask: (n) => ({ path: `/v1/runs/${pick(samples, n)}` }) },
  { name: "events", share: 15, ask: (n) => ({ path: `/v1/runs/${pick(samples, n)}/events?limit=20` }) },
  {
    name: "start",
    share: 5,
    ask: (n) => ({ path: "/v1/runs", body: JSON.stringify({ plan, key: `${process.pid}-${n}` }) }),
  },
  { name: "logs", share: 10, ask: (n) => ({ path: `/v1/runs/${pick(withLogs, n)}/logs/say?tail=10` }) },
  { name: "health", share: 20, ask: () => ({ path: "/v1/health" }) },
];
const ORDER = KINDS.flatMap((kind) => Array.from({ length: kind.share }, () => kind)).toSorted(
  (a, b) => hash(a.name) - hash(b.name),
);

const agent = new Agent({ keepAlive: true, maxSockets: 200 });
const took = new Map<string, number[]>(KINDS.map(({ name }) => [name, []]));
const first: number[] = [];
let failed = 0;
const total = (Number(seconds) + WARM_SECONDS) * RATE;
const begun = performance.now();
const asked: Promise<void>[] = [];
for (let n = 0; n < total;) {
  for (const due = (performance.now() - begun) * (RATE / 1_000); n < total && n <= due; n++) asked.push(one(n));
  await delay(1);
}
await Promise.all(asked);
agent.destroy();
console.log(JSON.stringify({ failed, first, took: Object.fromEntries(took) }));

async function one(n: number): Promise<void> {
  const kind = ORDER[(n * 37) % ORDER.length]!;
  const due = begun + (n * 1_000) / RATE;
  const { path, body } = kind.ask(n);
  const outgoing = request(`${url}${path}`, {
    agent,
    method: body === undefined ? "GET" : "POST",
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
  });
  outgoing.end(body);
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  if ((answer.statusCode ?? 500) >= 400) failed += 1;
  (n < WARM_SECONDS * RATE ? first : took.get(kind.name)!).push(performance.now() - due);
}

/** Any order that is the same each time and mixes the kinds. */
function hash(text: string): number {
  return Buffer.from(text).reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, 7);
}
