import type { Place, Started } from "./maestro.ts";

/** `maestro witness` in a folder of a place, as its operator would run it. */
export class WitnessProcess {
  readonly #place: Place;
  readonly #dir: string;
  readonly vkey: string;
  started: Started;
  readonly url: string;

  private constructor(place: Place, dir: string, parts: Pick<WitnessProcess, "vkey" | "started" | "url">) {
    this.#place = place;
    this.#dir = dir;
    this.vkey = parts.vkey;
    this.started = parts.started;
    this.url = parts.url;
  }

  /** Makes one of that name that knows the log, and starts it. */
  static async make(place: Place, name: string, logKey: string): Promise<WitnessProcess> {
    const vkey = (await place.run(["witness", "init", `${name}.example`, "--dir", name])).out.trim();
    await place.run(["witness", "add-log", logKey, "--dir", name]);
    const started = await up(place, name, "127.0.0.1:0");
    return new WitnessProcess(place, name, { vkey, started, url: urlOf(started) });
  }

  /** As the kernel does when memory runs out. */
  async kill(): Promise<void> {
    this.started.child.kill("SIGKILL");
    await this.started.ended;
  }

  /** Again, where it was. */
  async restart(): Promise<void> {
    this.started = await up(this.#place, this.#dir, new URL(this.url).host);
  }

  /** Its lines of witness.yaml. */
  get setting(): readonly string[] {
    return [`  - url: ${this.url}`, `    vkey: ${this.vkey}`];
  }
}

async function up(place: Place, dir: string, listen: string): Promise<Started> {
  const started = place.start(["witness", "up", "--dir", dir, "--listen", listen]);
  await started.shows(/listens on http\S+/);
  return started;
}

function urlOf(started: Started): string {
  return /listens on (http:\S+)/.exec(started.err)?.[1] ?? "";
}
