import { parseDuration } from "../../core/duration.ts";
import type { Flip } from "../../policy/difference.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { count, time } from "../format.ts";
import { isData, printList, printObject } from "../output.ts";
import { asBody, readPolicyFiles } from "../policy-folder.ts";

interface Difference {
  readonly asked: number;
  readonly decisions: number;
  readonly past: number;
  readonly missing: number;
  readonly cut: boolean;
  readonly policies: readonly {
    readonly engine: string;
    readonly policyDigest: string;
    /** It gave no answer, or not in time. */
    readonly unanswered: number;
    readonly flips: readonly Flip[];
  }[];
}

/** Exit code 1 where an answer would have been another one. */
export async function run(cli: Cli, input: Input): Promise<number> {
  const folder = input.text("policy");
  const shadow = input.flag("shadow") === true;
  if ((folder === undefined) !== shadow) throw usage("Compare with either --policy FOLDER or --shadow.");
  const over = input.text("over") ?? "30d";
  const overMs = parseDuration(over);
  if (overMs === undefined || overMs < 1_000)
    throw usage(`--over takes a duration such as 30d, not ${JSON.stringify(over)}.`);
  const limit = input.integer("limit", { min: 1, max: 10_000 });
  const client = await cli.connect("look");
  try {
    const answer = await client.send<Difference>("POST", "/v1/policy/differences", {
      ...(folder === undefined ? { shadow: true } : { files: asBody(await readPolicyFiles(cli, folder)) }),
      overMs,
      ...(limit === undefined ? {} : { limit }),
    });
    if (isData(cli)) await printObject(cli, answer);
    else for (const policy of answer.policies) await show(cli, answer, policy);
    if (answer.policies.length === 0)
      cli.terminal.say("No policy is on trial: name some in `shadow` of policy.yaml, or mark rules with @shadow.");
    return answer.policies.every(({ flips }) => flips.length === 0) ? 0 : 1;
  } finally {
    await client.close();
  }
}

async function show(
  cli: Cli,
  answer: Difference,
  { engine, unanswered, flips }: Difference["policies"][number],
): Promise<void> {
  await printList<Flip>(cli, {
    columns: [
      { head: "CHANGE", value: ({ from, to }) => `${from} -> ${to}` },
      { head: "TIMES", value: ({ count: times }) => String(times) },
      { head: "ACTION", value: ({ action }) => action },
      { head: "SUBJECT", value: ({ subject }) => subject },
      { head: "RESOURCE", value: ({ resource }) => resource },
      {
        head: "BY",
        value: ({ after, reasons }) => (after.length === 0 ? (reasons[0] ?? "") : after.join(", ")),
        flexible: true,
      },
      { head: "BEFORE", value: ({ before }) => before.join(", "), wide: true },
      { head: "LAST", value: ({ lastAt }) => time(lastAt), wide: true },
      { head: "DECISION", value: ({ decision }) => decision, wide: true },
    ],
    rows: flips,
    name: ({ decision }) => decision,
    answer: {},
    member: "flips",
    empty: "",
  });
  const times = (to: string): number => flips.filter((one) => one.to === to).reduce((sum, one) => sum + one.count, 0);
  const { asked, decisions, missing, past, cut } = answer;
  cli.terminal.say(
    `${engine}: of ${count(decisions, "recorded decision")} (${count(asked, "question")}) ${times("deny")} would be denied and ${times("allow")} allowed that were not`,
  );
  if (unanswered > 0) cli.terminal.say(`${count(unanswered, "question")} got no answer in time`);
  if (past > 0) cli.terminal.say(`${past} by break-glass are left out`);
  if (missing > 0) cli.terminal.say(`of ${count(missing, "question")} the text is not kept`);
  if (cut) cli.terminal.say("there are more; the oldest are left out (--limit)");
}
