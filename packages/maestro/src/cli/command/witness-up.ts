import { resolve } from "node:path";
import { parseListen } from "../../api/listen-address.ts";
import { serveWitness } from "../../api/witness-server.ts";
import { messageOf } from "../../core/problem.ts";
import { writeNoteKey } from "../../provenance/ledger/note.ts";
import { openWitness } from "../../provenance/witness/folder.ts";
import { acquireLock } from "../../store/lock.ts";
import { Log } from "../../telemetry/log.ts";
import type { LogSink } from "../../telemetry/log.ts";
import type { Cli, Input } from "../cli.ts";
import { count } from "../format.ts";
import { Interrupts } from "../interrupts.ts";
import { serverLog } from "../server-log.ts";
import { witnessFolder } from "../witness-folder.ts";

const DEFAULT_LISTEN = "127.0.0.1:7718";
/** For answers that are being given when it is told to end. */
const GRACE_MS = 5_000;

/** Ends by a signal only, and being ended so is how it succeeds. */
export async function run(cli: Cli, input: Input): Promise<number> {
  const dir = resolve(cli.cwd, witnessFolder(input));
  const log = serverLog(cli, input);
  const lines = new Log(log.options.logLevel, log.options.log);
  const write: LogSink = (level, message, fields) => lines.write(level, message, fields);
  const passphrase = cli.terminal.env["MAESTRO_KEY_PASSPHRASE"];
  // What is no witness's folder gets no lock.
  openWitness(dir, passphrase);
  // Two would each keep a head of their own, and cosign what the other refused.
  const lock = await acquireLock(dir);
  const asked = Promise.withResolvers<void>();
  const interrupts = new Interrupts(() => asked.resolve());
  try {
    // What another one saw until it let go counts, too.
    const folder = openWitness(dir, passphrase);
    const server = await serveWitness({
      address: parseListen(input.text("listen") ?? DEFAULT_LISTEN),
      deps: {
        key: folder.key,
        sign: folder.sign,
        heads: folder.heads,
        logs: () => folder.logs(),
        now: Date.now,
        seen({ alarm, ...seen }) {
          if (alarm === undefined) write("info", "a checkpoint was submitted", { ...seen });
          else write("error", "a log was rewritten", { ...seen, alarm });
        },
      },
      fault: (error) => write("error", "a checkpoint could not be cosigned", { error: messageOf(error) }),
    });
    log.say(
      `The witness ${folder.key.name} listens on ${server.url} for ${count(folder.logs().size, "log")}. Ctrl-C ends it.`,
      {
        url: server.url,
        vkey: writeNoteKey(folder.key),
        pid: process.pid,
      },
    );
    await asked.promise;
    await server.close(GRACE_MS);
    return 0;
  } finally {
    interrupts.stop();
    await lock.release();
  }
}
