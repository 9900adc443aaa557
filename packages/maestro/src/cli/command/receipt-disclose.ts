import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import type { ReadableStream as NodeWebStream } from "node:stream/web";
import { sha256 } from "../../core/digest.ts";
import { MaestroError } from "../../core/problem.ts";
import { saveTo, unpackTo } from "../../operations/disclosure/pack.ts";
import { readPackage } from "../../operations/disclosure/read-package.ts";
import { MANIFEST } from "../../provenance/disclosure/form.ts";
import { writeSalts } from "../../provenance/disclosure/salts.ts";
import type { Salts } from "../../provenance/disclosure/salts.ts";
import { storageError } from "../../store/storage-error.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const request = readRequest(input);
  const out = input.text("out");
  const epoch = readEpoch(cli.terminal.env["SOURCE_DATE_EPOCH"]);
  if (out === undefined && cli.terminal.outIsTty)
    throw usage("A package is no text: name a folder or a file that ends in .tar with --out.");
  const client = await cli.connect("look");
  try {
    const response = await client.fetch("/v1/disclosures", {
      method: "POST",
      body: JSON.stringify({ ...request, epoch }),
      headers: { "content-type": "application/json", ...client.trace },
    });
    const digest = response.headers.get("maestro-package-digest") ?? "";
    const redactions = Number(response.headers.get("maestro-package-redactions") ?? 0);
    if (response.body === null) throw new MaestroError("server_unreachable", "The control plane sent no package.");
    const tar = Readable.fromWeb(response.body as NodeWebStream<Uint8Array>);
    if (out === undefined) {
      for await (const part of tar as AsyncIterable<Uint8Array>) await cli.terminal.write(part);
    } else {
      const path = resolve(cli.cwd, out);
      await (path.endsWith(".tar") ? saveTo(path, tar) : unpackTo(path, tar, epoch * 1000));
      await checkWhole(path, digest);
    }
    const salts = input.text("salts");
    if (salts !== undefined) await writeSaltsOf(client, request, resolve(cli.cwd, salts));
    await report(cli, { digest, redactions, out, salts });
    return 0;
  } finally {
    await client.close();
  }
}

interface Body {
  readonly runs: readonly string[];
  readonly recipient: string;
  readonly purpose: string;
  readonly authority: string;
  readonly redact: readonly string[];
  readonly artifacts: boolean;
  readonly logs: boolean;
}

function readRequest(input: Input): Body {
  const said = (name: "recipient" | "purpose" | "authority", about: string): string => {
    const value = input.text(name)?.trim() ?? "";
    if (value === "") throw usage(`--${name} is missing: ${about}.`);
    return value;
  };
  return {
    runs: input.args("run"),
    recipient: said("recipient", "who gets the package"),
    purpose: said("purpose", "why they get it"),
    authority: said("authority", "under which mandate: a contract, a request, a legal basis"),
    redact: input.texts("redact"),
    artifacts: input.flag("artifacts") === true,
    logs: input.flag("logs") === true,
  };
}

/** reproducible-builds.org: seconds, for whoever wants another time than 1970 on the files. */
function readEpoch(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  const epoch = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (epoch < 8 ** 11) return epoch;
  throw usage(`SOURCE_DATE_EPOCH is ${JSON.stringify(text)}, which is no number of seconds that a tar can name.`);
}

/** What was written is what was made: a connection that ends early looks like the end of a stream. */
async function checkWhole(path: string, digest: string): Promise<void> {
  const { files, fault } = await readPackage(path);
  const found = sha256(files.get(MANIFEST)?.bytes ?? new Uint8Array(0));
  if (fault !== undefined || found !== digest)
    throw new MaestroError(
      "verification_failed",
      `What came is not the package that was made: ${fault ?? `its manifest is ${found}, made was ${digest}`}.`,
      { facts: { path }, fix: "Remove it and ask again." },
    );
}

async function writeSaltsOf(client: Client, request: Body, path: string): Promise<void> {
  const salts = await client.send<Salts>("POST", "/v1/disclosures/salts", request);
  try {
    // They are the values: for the owner alone, and never over something else.
    await writeFile(path, writeSalts(salts), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw storageError(error, path);
    throw new MaestroError("conflict", `${path} is there already, and salts are not written over anything.`, {
      facts: { path },
      fix: "Name another file with --salts.",
    });
  }
}

async function report(
  cli: Cli,
  made: {
    readonly digest: string;
    readonly redactions: number;
    readonly out?: string | undefined;
    readonly salts?: string | undefined;
  },
): Promise<void> {
  const { digest, redactions, out, salts } = made;
  if (out !== undefined) {
    if (isData(cli))
      await printObject(cli, {
        apiVersion: "maestro/v1",
        kind: "Disclosure",
        package: digest,
        redactions,
        path: out,
        salts: salts ?? null,
      });
    else await printLines(cli, [cli.output === "name" ? digest : `${digest}  ${out}`]);
  }
  if (redactions > 0)
    cli.terminal.say(
      `note: ${redactions === 1 ? "1 value was" : `${redactions} values were`} redacted. The receipts carry digests of inputs and outputs without a salt: who knows the rest of them can try out a value that is easy to guess.`,
    );
  if (out !== undefined) cli.terminal.say(`  next     maestro verify ${out} --trust-root trust-root.json`);
}
