import { createReadStream } from "node:fs";
import { MaestroError } from "../../core/problem.ts";
import type { PackedFile } from "./draft.ts";
import type { Gathered } from "./gather.ts";
import type { Traces } from "./traces.ts";

/**
 * A value that was taken out of the evidence and stands where nothing can be taken out was not taken out: in a receipt,
 * which is signed as it is, in a log or an artifact, which are whatever bytes a task wrote. Errors: `conflict`.
 */
export async function refuseTraces(
  traces: Traces,
  said: readonly string[],
  gathered: readonly Gathered[],
  opaque: readonly PackedFile[],
): Promise<void> {
  if (traces.isEmpty) return;
  if (said.some((text) => traces.areIn(text)))
    throw stands("what the package says of itself: its recipient, purpose or authority", "Say it in other words.");
  for (const { row, receipts, license } of gathered) {
    if ([license, row.workflow, row.namespace, row.version].some((text) => traces.areIn(text)))
      throw stands(`the name or the license of the workflow of run ${row.id}`, UNREDACTED);
    for (const { ordinal, bundle } of receipts)
      if (signedTexts(bundle).some((text) => traces.areIn(text)))
        throw stands(`receipt ${ordinal} of run ${row.id}, which is signed as it is`, UNREDACTED);
  }
  const inBytes = traces.inBytes;
  for (const file of opaque)
    if (await isInFile(inBytes, file))
      throw stands(file.path, "Leave out the logs or the artifacts, or do not redact that value.");
}

const UNREDACTED =
  "Everybody who gets the receipt reads it there: do not redact that value, or disclose without this run.";

function stands(where: string, fix: string): MaestroError {
  return new MaestroError("conflict", `A value that is to be redacted also stands in ${where}.`, {
    facts: { where },
    fix,
  });
}

/** The texts of a statement, names of members left out: those are the format's. */
function signedTexts(bundle: string): readonly string[] {
  const { dsseEnvelope } = JSON.parse(bundle) as { readonly dsseEnvelope: { readonly payload: string } };
  const texts: string[] = [];
  JSON.parse(Buffer.from(dsseEnvelope.payload, "base64").toString("utf8"), (_, value: unknown) => {
    if (typeof value === "string" || typeof value === "number") texts.push(String(value));
    return value;
  });
  return texts;
}

async function isInFile(traces: Traces, { content }: PackedFile): Promise<boolean> {
  const parts: AsyncIterable<Buffer> | readonly Uint8Array[] =
    content instanceof Uint8Array ? [content] : createReadStream(content.file, { highWaterMark: 1 << 20 });
  let tail = "";
  for await (const part of parts) {
    const text = tail + Buffer.from(part).toString("latin1");
    if (traces.areIn(text)) return true;
    tail = text.slice(-Math.max(0, traces.longest - 1));
  }
  return false;
}
