import type { Cli, Input } from "../cli.ts";
import { time } from "../format.ts";
import { printList } from "../output.ts";
import { questionBody, sayUnknown } from "../policy-question.ts";

interface Row {
  readonly who: string;
  readonly by: readonly string[];
  readonly roles: readonly string[];
  readonly seen: string;
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const question = await questionBody(cli, input, input.arg("action"));
  const client = await cli.connect("look");
  try {
    const answer = await client.send<{
      readonly roles: readonly { readonly role: string; readonly rules: readonly string[] }[];
      readonly subjects: readonly {
        readonly type: string;
        readonly id: string;
        readonly roles: readonly string[];
        readonly seenAt: number | null;
        readonly rules: readonly string[];
      }[];
      readonly unknown: readonly string[];
    }>("POST", "/v1/policy/subjects", question);
    const rows: readonly Row[] = [
      ...answer.roles.map(({ role, rules }) => ({ who: `role:${role}`, by: rules, roles: [], seen: "" })),
      ...answer.subjects.map(({ type, id, roles, seenAt, rules }) => ({
        who: `${type}:${id}`,
        by: rules,
        roles,
        seen: seenAt === null ? "never" : time(seenAt),
      })),
    ];
    await printList<Row>(cli, {
      columns: [
        { head: "WHO", value: ({ who }) => who },
        { head: "ROLES", value: ({ roles }) => roles.join(", ") },
        { head: "BY", value: ({ by }) => by.join(", "), flexible: true },
        { head: "SEEN", value: ({ seen }) => seen },
      ],
      rows,
      name: ({ who }) => who,
      answer: { ...answer },
      member: "who",
      empty: "Nobody that this installation knows of, and no role.",
    });
    sayUnknown(cli, answer.unknown);
    return 0;
  } finally {
    await client.close();
  }
}
