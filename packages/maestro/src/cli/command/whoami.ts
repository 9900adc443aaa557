import type { Cli } from "../cli.ts";
import { time } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";
import { safe } from "../terminal/text.ts";

interface WhoAmI {
  readonly caller: {
    readonly type: string;
    readonly id: string;
    readonly via: string;
    readonly grants: readonly { readonly namespace: string; readonly roles: readonly string[] }[];
  };
  readonly session: { readonly id: string; readonly expiresAt: number } | null;
}

const BY: Readonly<Record<string, string>> = {
  socket: "the control socket, which only the user of the data directory can open",
  token: "the owner's token",
  oidc: "an access token",
};

export async function run(cli: Cli): Promise<number> {
  const client = await cli.connect("look");
  try {
    const answer = await client.get<WhoAmI>("/v1/whoami");
    if (isData(cli)) {
      await printObject(cli, answer);
      return 0;
    }
    const { caller, session } = answer;
    if (cli.output === "name") {
      await printLines(cli, [safe(caller.id)]);
      return 0;
    }
    const by =
      session === null ? (BY[caller.via] ?? caller.via) : `session ${session.id} until ${time(session.expiresAt)}`;
    await printLines(cli, [
      `${caller.type} ${safe(caller.id)}`,
      ...caller.grants.map(
        ({ namespace, roles }) => `  ${namespace === "*" ? "everywhere" : safe(namespace)}: ${roles.join(", ")}`,
      ),
      `  by ${by}`,
    ]);
    return 0;
  } finally {
    await client.close();
  }
}
