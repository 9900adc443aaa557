import { API_VERSION } from "../../api/respond.ts";
import { MaestroError } from "../../core/problem.ts";
import type { Cli } from "../cli.ts";
import { Client } from "../client.ts";
import { credentialFor, forgetCredential } from "../credentials.ts";
import { isData, printObject } from "../output.ts";
import { safe } from "../terminal/text.ts";

export async function run(cli: Cli): Promise<number> {
  const { target, terminal } = cli;
  if (target.kind === "data")
    throw new MaestroError(
      "invalid_request",
      `This works on the data directory ${target.data.value} of this machine, where nobody is logged in.`,
      { fix: "Name the control plane to log out of: `maestro logout --server URL`." },
    );
  const server = target.server.value;
  const credential = credentialFor(terminal.env, server);
  if (credential === undefined)
    throw new MaestroError("not_found", `Nobody is logged in to ${server} from here.`, {
      fix: "See who asks: `maestro whoami`.",
    });
  const ended = await end(cli, server, credential.token);
  await forgetCredential(terminal.env, server);
  if (isData(cli)) await printObject(cli, { apiVersion: API_VERSION, kind: "Logout", server, ended });
  terminal.say(`Logged out of ${safe(server)}.`);
  return 0;
}

/** False where the session was over already. Errors: `server_unreachable`: what cannot be ended is not forgotten either. */
async function end(cli: Cli, server: string, token: string): Promise<boolean> {
  const { target } = cli;
  if (target.kind === "data") return false;
  const client = await Client.connectTo({ ...target, token: { kind: "value", variable: "maestro login", token } });
  try {
    await client.send("POST", "/v1/logout", {});
    return true;
  } catch (error) {
    if (error instanceof MaestroError && error.code === "unauthorized") return false;
    if (error instanceof MaestroError && error.code === "server_unreachable")
      throw new MaestroError("server_unreachable", `${error.message} The session at ${server} goes on.`, {
        cause: error,
        fix: "Log out again when it answers; or end the session from elsewhere: `maestro session revoke ID`.",
      });
    throw error;
  }
}
