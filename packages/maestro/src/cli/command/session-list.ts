import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { ago, time } from "../format.ts";
import { printList } from "../output.ts";

interface Session {
  readonly id: string;
  readonly subject: string;
  readonly label: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly seenAt: number;
  readonly revokedAt: number | null;
  readonly revokedBy: string | null;
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const of = input.text("of");
  const all = input.flag("all") === true;
  if (all && of !== undefined) throw usage("--all and --of each say whose sessions; give one of them.");
  const ended = input.flag("ended") === true;
  const client = await cli.connect("look");
  try {
    const whose = all ? "*" : of;
    const answer = await client.get<{ readonly sessions: readonly Session[] }>("/v1/sessions", {
      ...(whose === undefined ? {} : { of: whose }),
      ...(ended ? { ended: 1 } : {}),
      limit: input.integer("limit", { min: 1, max: 1000 }) ?? 100,
    });
    const now = Date.now();
    await printList<Session>(cli, {
      columns: [
        { head: "SESSION", value: ({ id }) => id },
        { head: "WHO", value: ({ subject }) => subject },
        { head: "SINCE", value: ({ createdAt }) => time(createdAt) },
        { head: "UNTIL", value: ({ expiresAt }) => time(expiresAt) },
        { head: "SEEN", value: ({ seenAt }) => ago(now - seenAt) },
        {
          head: "REVOKED",
          value: ({ revokedAt, revokedBy }) => (revokedAt === null ? "" : `${time(revokedAt)} by ${revokedBy}`),
          ...(ended ? {} : { wide: true as const }),
        },
        { head: "WHERE", value: ({ label }) => label, flexible: true },
      ],
      rows: answer.sessions,
      name: ({ id }) => id,
      answer,
      member: "sessions",
      empty: "No session is open. Begin one: maestro login",
    });
    return 0;
  } finally {
    await client.close();
  }
}
