import type { JsonValue } from "../../core/json.ts";
import { messageOf } from "../../core/problem.ts";
import type { RunRow } from "../../store/store.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { decode, readStdin } from "../manifest-source.ts";
import { printChanged } from "../changed.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const payload = await readPayload(cli, input.optionalArg("payload"));
  const client = await cli.connect("look");
  try {
    const { run: row } = await client.send<{ readonly run: RunRow }>(
      "POST",
      `/v1/runs/${encodeURIComponent(input.arg("run"))}/signals`,
      { name: input.arg("name"), payload },
    );
    await printChanged(cli, client, row, `signal ${input.arg("name")} given`);
    return 0;
  } finally {
    await client.close();
  }
}

async function readPayload(cli: Cli, given: string | undefined): Promise<JsonValue> {
  if (given === undefined) return null;
  const text = given === "-" ? decode(await readStdin(cli), "stdin") : given;
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw usage(
      `The payload must be JSON, and ${JSON.stringify(text.slice(0, 100))} is not: ${messageOf(error)}`,
      `A text needs its own quotes: maestro signal RUN NAME '"text"'.`,
    );
  }
}
