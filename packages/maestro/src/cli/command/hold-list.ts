import type { Hold } from "../../store/retention.ts";
import type { Cli, Input } from "../cli.ts";
import { time } from "../format.ts";
import { printList } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const client = await cli.connect("look");
  try {
    const all = input.flag("all") === true;
    const answer = await client.get<{ readonly holds: readonly Hold[] }>("/v1/holds", all ? { all: 1 } : {});
    await printList<Hold>(cli, {
      columns: [
        { head: "HOLD", value: ({ id }) => id },
        { head: "ON", value: ({ kind, target }) => `${kind} ${target}` },
        { head: "SINCE", value: ({ placedAt }) => time(placedAt) },
        { head: "BY", value: ({ placedBy }) => placedBy },
        {
          head: "RELEASED",
          value: ({ releasedAt }) => (releasedAt === null ? "" : time(releasedAt)),
          ...(all ? {} : { wide: true as const }),
        },
        { head: "REASON", value: ({ reason }) => reason, flexible: true },
      ],
      rows: answer.holds,
      name: ({ id }) => id,
      answer,
      member: "holds",
      empty: "No legal hold is open. Place one: maestro hold set RUN --reason TEXT",
    });
    return 0;
  } finally {
    await client.close();
  }
}
