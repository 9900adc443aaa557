import { checkReceipt } from "../provenance/verify.ts";
import type { Verification, VerifyRequest } from "../provenance/verify.ts";
import { MaestroError } from "../core/problem.ts";
import { readTrustRoot } from "../provenance/trust.ts";
import { textOf } from "./client.ts";
import type { Answer, Client } from "./client.ts";
import type { RunView } from "../engine/engine.ts";

/** What verifying the newest receipt of a run came to, in a few words; null where there is none. */
export async function proofOf(client: Client, view: RunView): Promise<string | null> {
  if (view.receipts.length === 0) return null;
  const { verification } = await verifyOf(client, view.run.id, undefined);
  const failed = verification.checks.find(({ status }) => status === "failed");
  if (failed !== undefined) return `NOT VERIFIED: ${failed.title}: ${failed.detail}`;
  return `verified (${verification.checks.filter(({ status }) => status === "passed").length} checks)`;
}

export interface VerifiedReceipt {
  readonly bundle: Uint8Array;
  readonly digest: string;
  readonly ordinal: number;
  readonly verification: Verification;
}

/** A run's receipt, verified against the control plane's own keys, the stored plan and the stored history. */
export async function verifyOf(client: Client, run: string, ordinal: number | undefined): Promise<VerifiedReceipt> {
  const { bytes: bundle, headers } = await client.read(
    `/v1/runs/${encodeURIComponent(run)}/receipt${ordinal === undefined ? "" : `?ordinal=${ordinal}`}`,
  );
  const trustRoot = textOf((await client.read("/v1/trust-root")).bytes);
  const { plan } = await client.get<{ readonly plan: object }>(`/v1/runs/${encodeURIComponent(run)}/plan`);
  const verification = checkReceipt(
    bundle,
    {
      trustRoot: readTrustRoot(trustRoot, "the control plane's trust root"),
      plan: JSON.stringify(plan),
      ...(await historyOf(client, run)),
    },
    [],
  );
  return {
    bundle,
    digest: headers.get("maestro-receipt-digest") ?? verification.digest,
    ordinal: Number(headers.get("maestro-receipt-ordinal") ?? 1),
    verification,
  };
}

/** For a verification: the history, or that it was removed, which leaves the checks that need it out. */
export async function historyOf(client: Client, run: string): Promise<Pick<VerifyRequest, "events" | "eventsMissing">> {
  try {
    return { events: await eventTexts(client, run) };
  } catch (error) {
    if (!(error instanceof MaestroError) || error.code !== "removed") throw error;
    return { eventsMissing: error.message };
  }
}

/** The history as it was committed, one text per event: what the receipt's chain digest is over. */
async function eventTexts(client: Client, run: string): Promise<readonly string[]> {
  const texts: string[] = [];
  for (let after: string | null = "0"; after !== null;) {
    const page: Answer = await client.read(`/v1/runs/${encodeURIComponent(run)}/events?limit=5000&after=${after}`, {
      accept: "application/jsonl",
    });
    for (const line of textOf(page.bytes).split("\n")) if (line !== "") texts.push(line);
    after = page.headers.get("maestro-next");
  }
  return texts;
}
