import { API_VERSION } from "../../api/respond.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { count } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const ids = input.args("session");
  const of = input.text("of");
  if ((ids.length === 0) === (of === undefined))
    throw usage("Name sessions, or with --of whose sessions all are meant.");
  const client = await cli.connect("look");
  try {
    const revoked: string[] = [];
    const asked: readonly (readonly [string, object])[] =
      of === undefined
        ? ids.map((id) => [`/v1/sessions/${encodeURIComponent(id)}/revoke`, {}])
        : [["/v1/sessions/revoke", { of }]];
    for (const [path, body] of asked)
      revoked.push(...(await client.send<{ readonly revoked: readonly string[] }>("POST", path, body)).revoked);
    if (isData(cli)) await printObject(cli, { apiVersion: API_VERSION, kind: "RevokedSessions", revoked });
    else if (revoked.length > 0) await printLines(cli, revoked);
    cli.terminal.say(
      revoked.length === 0 && of !== undefined
        ? `0 sessions ended: there is none of ${JSON.stringify(of)}; \`maestro session list --all\` has whose there are`
        : `${count(revoked.length, "session")} ended`,
    );
    return 0;
  } finally {
    await client.close();
  }
}
