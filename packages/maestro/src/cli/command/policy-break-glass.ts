import { parseDuration } from "../../core/duration.ts";
import { BREAK_GLASS_LIMITS } from "../../policy/break-glass.ts";
import type { BreakGlassRow } from "../../store/break-glass.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { time } from "../format.ts";
import { isData, printLines, printList, printObject } from "../output.ts";

type Listed = BreakGlassRow & { readonly open: boolean };

export async function run(cli: Cli, input: Input): Promise<number> {
  const what = input.optionalArg("what") ?? "open";
  const id = input.optionalArg("id");
  const client = await cli.connect("look");
  try {
    switch (what) {
      case "open":
        return await open(cli, client, input);
      case "list":
        return await list(cli, client);
      case "end": {
        if (id === undefined) throw usage("Say which: `maestro policy break-glass end ID`; `list` has them.");
        const answer = await client.send<Answer>("POST", `/v1/break-glass/${encodeURIComponent(id)}/end`, {});
        await show(
          cli,
          answer,
          `ended ${answer.breakGlass.id}: the policy holds for ${answer.breakGlass.subject} again`,
        );
        return 0;
      }
      default:
        throw usage(`There is no ${JSON.stringify(what)} here; there are open, list and end.`);
    }
  } finally {
    await client.close();
  }
}

interface Answer {
  readonly breakGlass: BreakGlassRow;
}

async function open(cli: Cli, client: Client, input: Input): Promise<number> {
  const reason = input.text("reason");
  const wanted = input.text("for");
  if (reason === undefined || wanted === undefined)
    throw usage("Going past the policy takes a reason and a time: --reason TEXT --for 30m.");
  const { min } = BREAK_GLASS_LIMITS.reasonCharacters;
  if (reason.trim().length < min)
    throw usage(
      `--reason takes ${min} characters or more, not ${reason.trim().length}: others are to understand it afterwards.`,
    );
  const forMs = parseDuration(wanted);
  if (forMs === undefined) throw usage(`--for takes a duration such as 30m, not ${JSON.stringify(wanted)}.`);
  const namespace = input.text("namespace");
  const answer = await client.send<Answer>("POST", "/v1/break-glass", {
    reason,
    forMs,
    ...(namespace === undefined ? {} : { namespace }),
  });
  const { id, subject, until } = answer.breakGlass;
  const where = namespace === undefined ? "everywhere" : `in ${namespace}`;
  await show(
    cli,
    answer,
    `${subject} goes past the policy ${where} until ${time(until)}; everything done so is recorded and told`,
    `maestro policy break-glass end ${id}`,
  );
  return 0;
}

async function show(cli: Cli, answer: Answer, said: string, next?: string): Promise<void> {
  if (isData(cli)) return printObject(cli, answer);
  await printLines(cli, [answer.breakGlass.id]);
  cli.terminal.say(said);
  if (next !== undefined) cli.terminal.say(`  next     ${next}`);
}

async function list(cli: Cli, client: Client): Promise<number> {
  const answer = await client.get<{ readonly breakGlasses: readonly Listed[] }>("/v1/break-glass");
  await printList<Listed>(cli, {
    columns: [
      { head: "ID", value: ({ id }) => id },
      { head: "WHO", value: ({ subject }) => subject },
      { head: "WHERE", value: ({ namespace }) => (namespace === "*" ? "everywhere" : namespace) },
      { head: "FROM", value: ({ from }) => time(from) },
      { head: "UNTIL", value: ({ until, endedAt }) => time(endedAt ?? until) },
      {
        head: "STATE",
        value: ({ open: is, endedBy }) => (is ? "open" : endedBy === null ? "over" : `ended by ${endedBy}`),
      },
      { head: "REASON", value: ({ reason }) => reason, flexible: true },
    ],
    rows: answer.breakGlasses,
    name: ({ id }) => id,
    answer,
    member: "breakGlasses",
    empty: "Nobody has gone past the policy here.",
  });
  return 0;
}
