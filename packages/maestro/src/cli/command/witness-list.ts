import type { Cli } from "../cli.ts";
import { time } from "../format.ts";
import { printList } from "../output.ts";

interface Witness {
  readonly name: string;
  readonly url: string;
  readonly size: number;
  readonly outcome: string;
  readonly detail: string;
  readonly at: number;
}

export async function run(cli: Cli): Promise<number> {
  const client = await cli.connect("look");
  try {
    const answer = await client.get<{ readonly quorum: number; readonly witnesses: readonly Witness[] }>(
      "/v1/ledger/witnesses",
    );
    await printList<Witness>(cli, {
      columns: [
        { head: "NAME", value: ({ name }) => name },
        { head: "ENTRIES", value: ({ size }) => String(size) },
        { head: "LAST", value: ({ outcome }) => outcome },
        { head: "TIME", value: ({ at }) => (at === 0 ? "" : time(at)) },
        { head: "DETAIL", value: ({ detail }) => detail, flexible: true },
      ],
      rows: answer.witnesses,
      name: ({ name }) => name,
      answer,
      member: "witnesses",
      empty: "This ledger has no witnesses: name some in witness.yaml of the data directory.",
    });
    return 0;
  } finally {
    await client.close();
  }
}
