import type { Cli } from "../cli.ts";
import { count } from "../format.ts";
import { isData, printList } from "../output.ts";

interface Rule {
  readonly id: string;
  readonly effect: string;
  readonly why: string | null;
  readonly fix: string | null;
  readonly file: string | null;
  readonly shadow: boolean;
}

interface Policy {
  readonly engine: string;
  readonly policyDigest: string;
  readonly rules: readonly Rule[];
  readonly shadows: readonly {
    readonly engine: string;
    readonly agreed: number;
    readonly differed: number;
    readonly late: number;
    readonly failed: number;
  }[];
  readonly breakGlass: { readonly open: readonly { readonly id: string; readonly subject: string }[] };
}

export async function run(cli: Cli): Promise<number> {
  const client = await cli.connect("look");
  try {
    const answer = await client.get<Policy & Readonly<Record<string, unknown>>>("/v1/policy");
    await printList<Rule>(cli, {
      columns: [
        { head: "RULE", value: ({ id }) => id },
        { head: "EFFECT", value: ({ effect }) => effect },
        { head: "MODE", value: ({ shadow }) => (shadow ? "shadow" : "enforced") },
        { head: "FILE", value: ({ file }) => file ?? "built in" },
        { head: "WHY", value: ({ why }) => why ?? "", flexible: true },
        { head: "FIX", value: ({ fix }) => fix ?? "", wide: true, flexible: true },
      ],
      rows: answer.rules,
      name: ({ id }) => id,
      answer,
      member: "rules",
      empty: "The rules of this policy cannot be told apart here: it is compiled, or another decision point has it.",
    });
    if (isData(cli)) return 0;
    cli.terminal.say(`${answer.engine} ${answer.policyDigest}`);
    for (const { engine, agreed, differed, late, failed } of answer.shadows)
      cli.terminal.say(
        `on trial: ${engine} agreed ${agreed} and differed ${differed} times since the start${failed === 0 ? "" : `, failed ${failed}`}${late === 0 ? "" : `, ${late} of them too late to be recorded`}; \`maestro policy diff --shadow\` says in what`,
      );
    const { open } = answer.breakGlass;
    if (open.length > 0)
      cli.terminal.say(
        `${count(open.length, "break-glass")} open: ${open.map(({ id, subject }) => `${id} of ${subject}`).join(", ")}`,
      );
    return 0;
  } finally {
    await client.close();
  }
}
