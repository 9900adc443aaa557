import type { RunView } from "../../engine/engine.ts";
import type { Cli, Input } from "../cli.ts";
import { printList } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const client = await cli.connect("look");
  try {
    const { receipts, run: row } = await client.get<RunView>(`/v1/runs/${encodeURIComponent(input.arg("run"))}`);
    await printList<RunView["receipts"][number]>(cli, {
      columns: [
        { head: "RECEIPT", value: ({ ordinal }) => String(ordinal), align: "right" },
        { head: "DIGEST", value: ({ digest }) => digest },
      ],
      rows: receipts,
      name: ({ digest }) => digest,
      answer: { apiVersion: "maestro/v1", kind: "ReceiptList", run: row.id, receipts },
      member: "receipts",
      empty: "This run has no receipt yet; it gets one when it ends.",
    });
    return 0;
  } finally {
    await client.close();
  }
}
