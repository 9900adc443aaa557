import type { Client } from "./client.ts";

/** The whole id of the run that a reference names: a part of an id, `@last`, `@failed`. Errors: `not_found`, `ambiguous_id`. */
export async function fullRunId(client: Client, reference: string): Promise<string> {
  const { run } = await client.get<{ readonly run: { readonly id: string } }>(
    `/v1/runs/${encodeURIComponent(reference)}`,
  );
  return run.id;
}
