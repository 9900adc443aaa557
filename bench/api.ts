// The control plane's API at 1,000 requests a second, mixed, over 100,000 stored runs (1,000,000 with --million), loaded by a process
// of its own: how long each kind of answer takes from the instant its request was due. The floor is the same load on a bare
// `node:http` server in the same process.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { serveNetwork } from "../packages/maestro/src/api/listen.ts";
import { openToken, tokenPath } from "../packages/maestro/src/api/token.ts";
import { bench, million, percentile, quick } from "./measure.ts";
import type { Reading } from "./measure.ts";
import { compile, ends, FIVE_STEPS, openPlane, start } from "./plane.ts";

const ROWS = million ? 1_000_000 : quick ? 2_000 : 100_000;
const SECONDS = quick ? 2 : 20;
const OVER = `API 1,000/s over ${ROWS.toLocaleString("en")} runs`;

/** Milliseconds from when each request was due to its answer's end. */
interface Took {
  /** Of a server that was just started. */
  readonly first: readonly number[];
  readonly byKind: Readonly<Record<string, readonly number[]>>;
}

await bench({
  title: `API: 1,000 requests a second, ${ROWS.toLocaleString("en")} runs stored`,
  runs: million ? 1 : 3,
  async measure(dir) {
    const data = join(dir, "data");
    mkdirSync(data, { mode: 0o700 });
    // In a process of its own: what fills the store leaves its memory and compiled code there.
    const { stdout } = await promisify(execFile)(process.execPath, [script("api-fill.ts"), data, String(ROWS)], {
      maxBuffer: 16 * 1024 * 1024,
    });
    const subject = JSON.parse(stdout) as object;
    const floor = await bareServer(subject);

    const plane = await openPlane(data);
    const plan = await compile(plane.engine, FIVE_STEPS);
    const stored = ends(plane.engine, 1);
    await start(plane, plan);
    await stored;
    const tokenFile = tokenPath(data);
    const server = await serveNetwork({
      address: { host: "127.0.0.1", port: 0 },
      authenticate: await plane.authenticate(),
      handle: plane.handle,
    });
    const cpu = process.cpuUsage();
    const { first, byKind } = await load(server.url, await openToken(tokenFile), { ...subject, plan: plan.digest });
    const { user, system } = process.cpuUsage(cpu);
    const { rss } = process.memoryUsage();
    await server.close(1_000);
    await plane.close(1_000);
    const cost = { cpu: (user + system) / 1e6, rss };
    const all = Object.values(byKind).flat();
    return [
      ...percentiles("API floor: a bare server at 1,000/s", Object.values(floor.byKind).flat()),
      ...percentiles(OVER, all).map((reading) =>
        reading.what.endsWith("p95") ? { ...reading, must: 20, moonshot: 5, ...cost } : reading,
      ),
      { what: `${OVER}: its first 20 s, p95`, value: percentile(first, 95), unit: "ms" },
      ...Object.entries(byKind).flatMap(([kind, times]) => percentiles(`${OVER}: ${kind}`, times)),
    ];
  },
});

/** The same load where nothing is done: what this machine and Node take for 1,000 answers a second. */
async function bareServer(subject: object): Promise<Took> {
  const body = JSON.stringify({ apiVersion: "maestro/v1", kind: "Run", text: "x".repeat(600) });
  const server = createServer((incoming, outgoing) => {
    incoming.resume();
    outgoing.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const took = await load(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, "none", {
    ...subject,
    plan: "sha256:none",
  });
  server.closeAllConnections();
  server.close();
  return took;
}

/** What api-load.ts prints. */
interface Answer {
  readonly failed: number;
  readonly first: Took["first"];
  readonly took: Took["byKind"];
}

async function load(url: string, token: string, subject: object): Promise<Took> {
  const child = spawn(process.execPath, [script("api-load.ts"), url, token, String(SECONDS)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(JSON.stringify(subject));
  const { failed, first, took } = JSON.parse(await text(child.stdout)) as Answer;
  if (failed > 0) throw new Error(`${failed} requests were refused`);
  return { first, byKind: took };
}

function percentiles(what: string, times: readonly number[]): readonly Reading[] {
  return [50, 95, 99].map((p) => ({ what: `${what}, p${p}`, value: percentile(times, p), unit: "ms" }));
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
