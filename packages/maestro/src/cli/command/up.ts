import { setTimeout as sleep } from "node:timers/promises";
import { isLoopback, parseListen } from "../../api/listen-address.ts";
import type { ListenAddress } from "../../api/listen-address.ts";
import { tokenPath } from "../../api/token.ts";
import { MaestroError } from "../../core/problem.ts";
import { readIssuerUrl } from "../../identity/issuer.ts";
import { otlpSettings } from "../../telemetry/otlp-settings.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { Interrupts } from "../interrupts.ts";
import { reloadOnHangup } from "../reload-on-hangup.ts";
import { serverLog } from "../server-log.ts";
import type { ServerLog } from "../server-log.ts";
import { watchedManifests } from "../watched-manifests.ts";
import { whoEnters } from "../who-enters.ts";
import type { Enter } from "../who-enters.ts";

const LOOK_EVERY_MS = 1000;

/** Ends by a signal only, and being ended so is how it succeeds. */
export async function run(cli: Cli, input: Input): Promise<number> {
  // It is an engine itself, so it wants the folder; a context with a server is told so.
  const { dataDir } = cli;
  const listen = listenAddress(cli, input);
  const folder = input.optionalArg("folder");
  const log = serverLog(cli, input);
  const demo = demoSeed(input);
  let filling = demo !== undefined;
  const manifests = folder === undefined ? {} : { manifests: await watchedManifests(cli, folder, log.forPeople) };
  const otlp = input.text("otlp");
  const issuer = input.text("issuer");
  if (issuer !== undefined) readIssuerUrl(issuer);
  // Said now, and not when this process takes over one day.
  if (otlp !== undefined) otlpSettings(otlp, () => undefined);
  const asked = new AbortController();
  let broken: MaestroError | undefined;
  const interrupts = new Interrupts(() => asked.abort());
  const client = await cli.connect("work", {
    ...manifests,
    ...log.options,
    // Runs of the demo fail on purpose, and people are shown what came of them.
    log: (level, ...line) => {
      if (!filling || !log.forPeople || level === "error") log.options.log(level, ...line);
    },
    ...(listen === undefined ? {} : { listen }),
    ...(otlp === undefined ? {} : { otlp }),
    ...(issuer === undefined ? {} : { issuer }),
    // Whoever went on would build on what somebody forged.
    broken: (error) => {
      broken = error;
      asked.abort();
    },
  });
  const forgetHangup = reloadOnHangup(log, client, cli.terminal.errIsTty);
  try {
    if (demo !== undefined) await fill(cli, client, log, demo, asked.signal);
    filling = false;
    if (input.flag("once") === true) return interrupts.code ?? 0;
    if (!client.isEngine) await standBy(log, client, asked.signal);
    if (!asked.signal.aborted) {
      announce(log, dataDir, client.url, await whoEnters(dataDir));
      await pause(asked.signal);
      log.say("Ending: what is at work gets a moment, the rest is handed back to the next engine.");
    }
    if (broken !== undefined) throw broken;
    return 0;
  } finally {
    forgetHangup();
    await client.close();
    interrupts.stop();
  }
}

/** Undefined where no demo is asked for. Errors: `invalid_request`. */
function demoSeed(input: Input): number | undefined {
  const seed = input.integer("seed", { min: 0, max: 2 ** 32 - 1 });
  if (input.flag("demo") === true) return seed ?? 1;
  if (seed === undefined && input.flag("once") !== true) return undefined;
  throw usage("--seed and --once go with --demo.");
}

async function fill(cli: Cli, client: Client, log: ServerLog, seed: number, signal: AbortSignal): Promise<void> {
  const [{ makeDemo }, { demoLines }] = await Promise.all([import("../demo.ts"), import("../demo-output.ts")]);
  const { terminal, target } = cli;
  if (log.forPeople) terminal.say("Making the demo, runs of every status. It takes a few seconds.");
  const played = await makeDemo(client, seed, signal);
  if (signal.aborted) return;
  if (!log.forPeople) return log.say("The demo is made", { runs: played.length, seed });
  const suffix = target.kind === "data" && target.data.origin === "--data" ? ` --data ${target.data.value}` : "";
  const width = terminal.errIsTty ? terminal.width() : Infinity;
  for (const line of demoLines(played, terminal.err, width, suffix)) terminal.say(line);
}

function announce(log: ServerLog, dataDir: string, url: string | undefined, { said, providers }: Enter): void {
  const token = tokenPath(dataDir);
  if (log.forPeople && url !== undefined) {
    log.say(`  listens  ${url}`);
    log.say(`  token    in ${token}`);
    log.say(`  enter    ${said}`);
  } else if (url !== undefined) log.say(`Who comes in: ${said}.`, { providers });
  log.say(`The engine of ${dataDir} is up: process ${process.pid}. Ctrl-C ends it.`, {
    pid: process.pid,
    ...(url === undefined ? {} : { url, tokenFile: token }),
  });
}

/** Where to listen: the flag, MAESTRO_LISTEN, or the default. Errors: `invalid_request`. */
function listenAddress(cli: Cli, input: Input): ListenAddress | undefined {
  if (input.flag("listen") === false) return undefined;
  const text = input.text("listen") ?? (cli.terminal.env["MAESTRO_LISTEN"] || ":");
  if (text === "none") return undefined;
  const address = parseListen(text);
  if (isLoopback(address.host) || input.flag("expose") === true) return address;
  throw usage(
    `${address.host} can be reached from other machines, and whoever has the token may do everything here.`,
    "Listen on 127.0.0.1 and put a proxy with TLS in front, or say with --expose that this is meant.",
  );
}

/** Until the process that holds the engine has gone and this one is the engine. */
async function standBy(log: ServerLog, client: Client, signal: AbortSignal): Promise<void> {
  let holder: number | undefined;
  while (!client.isEngine && !signal.aborted) {
    try {
      const { pid } = await client.get<{ readonly pid: number }>("/v1/health");
      // Asking may have found nobody and taken over.
      if (client.isEngine) return;
      if (pid !== holder) log.say(`Process ${pid} is the engine already; this one takes over when it ends.`);
      holder = pid;
      await pause(signal, LOOK_EVERY_MS);
    } catch (error) {
      if (!(error instanceof MaestroError) || error.code !== "server_unreachable") throw error;
      await client.reconnect();
    }
  }
}

/** Keeps the process alive; ends early, without an error, when the signal comes. */
async function pause(signal: AbortSignal, ms = 2 ** 31 - 1): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
