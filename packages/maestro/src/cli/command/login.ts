import { readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { TokenType } from "../../identity/settings.ts";
import { API_VERSION } from "../../api/respond.ts";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { Client } from "../client.ts";
import { credentialsPath, keepCredential } from "../credentials.ts";
import { time } from "../format.ts";
import type { LoginIssuer } from "../login-provider.ts";
import { decode, readStdin } from "../manifest-source.ts";
import { isData, printLines, printObject } from "../output.ts";
import { isInTheClear } from "../remote.ts";
import type { Target } from "../target.ts";
import { safe } from "../terminal/text.ts";

const MAX_TOKEN_BYTES = 16 * 1024;

interface NewSession {
  readonly token: string;
  readonly expiresAt: number;
  readonly session: { readonly id: string };
  readonly caller: { readonly id: string; readonly type: string };
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const ways = ["link", "device", "ci", "exchange"].filter(
    (name) => input.flag(name) === true || input.text(name) !== undefined,
  );
  if (ways.length > 1) throw usage(`--${ways.join(" and --")} each say how to log in; give one of them.`);
  if (input.flag("link") === true) return showLink(cli);
  const target = serverOf(cli);
  // Whoever logs in has no token yet, or one that is over.
  const client = await Client.connectTo({ ...target, token: undefined });
  const { issuers } = await client.get<{ readonly issuers: readonly LoginIssuer[] }>("/v1/identity");
  if (isInTheClear(target))
    cli.terminal.say(`warning: the session's token comes from ${safe(target.server.value)} unencrypted`);
  const subjectToken = await tokenOf(cli, input, issuers);
  const begun = await client.send<NewSession>("POST", "/v1/token-exchange", {
    subjectToken,
    subjectTokenType: typeOf(subjectToken),
    label: `maestro login on ${hostname()}`,
  });
  const { expiresAt, session, caller } = begun;
  const { env } = cli.terminal;
  const server = target.server.value;
  await keepCredential(env, server, { token: begun.token, session: session.id, subject: caller.id, expiresAt });
  if (isData(cli))
    await printObject(cli, { apiVersion: API_VERSION, kind: "Login", server, caller, session: session.id, expiresAt });
  cli.terminal.say(
    `Logged in to ${safe(server)} as ${safe(caller.id)} until ${time(expiresAt)}; kept in ${safe(credentialsPath(env))}.`,
  );
  if (target.token !== undefined && target.token.kind !== "login")
    cli.terminal.say(
      `warning: commands go on using the token of ${safe(target.token.kind === "value" ? target.token.variable : target.token.file.origin)}, which comes first; take it out to use this login`,
    );
  return 0;
}

function serverOf(cli: Cli): Extract<Target, { readonly kind: "server" }> {
  const { target } = cli;
  if (target.kind === "server") return target;
  throw new MaestroError(
    "invalid_request",
    `This works on the data directory ${target.data.value} of this machine, whose owner needs no login.`,
    {
      fix: "Name the control plane to log in to: `maestro login --server URL`; for a browser on this machine, `maestro login --link`.",
    },
  );
}

/** A token of the provider, got in the way that was asked for. */
async function tokenOf(cli: Cli, input: Input, issuers: readonly LoginIssuer[]): Promise<string> {
  const file = input.text("exchange");
  if (file !== undefined) return readToken(cli, file);
  const say = (line: string): void => cli.terminal.say(safe(line));
  if (input.flag("ci") === true) {
    const { tokenOfCi } = await import("../login-ci.ts");
    return tokenOfCi(cli.terminal.env, choose(input, issuers, ({ login }) => login === null, "--ci").audience);
  }
  const issuer = choose(input, issuers, ({ login }) => login !== null, "logging in");
  const provider = await import("../login-provider.ts");
  return input.flag("device") === true ? provider.loginByDevice(issuer, say) : provider.loginByBrowser(issuer, say);
}

function choose(
  input: Input,
  issuers: readonly LoginIssuer[],
  fits: (issuer: LoginIssuer) => boolean,
  what: string,
): LoginIssuer {
  const name = input.text("issuer");
  const fitting = issuers.filter(fits);
  const found =
    name === undefined
      ? fitting.length === 1
        ? fitting[0]
        : undefined
      : issuers.find((one) => one.name === name && (fits(one) || what === "--ci"));
  if (found !== undefined) return found;
  const names = fitting.map((one) => one.name).join(", ");
  if (fitting.length === 0)
    throw new MaestroError("invalid_request", `No identity provider for ${what} is configured at this control plane.`, {
      fix: "Whoever operates it connects one: docs/guides/identity.md. Until then it takes the owner's token: `--token-file FILE`.",
    });
  throw usage(
    name === undefined
      ? `There are several identity providers: ${names}.`
      : `There is no identity provider ${JSON.stringify(name)} for ${what}; there is ${names}.`,
    "Name one: `--issuer NAME`.",
  );
}

async function readToken(cli: Cli, file: string): Promise<string> {
  if (file === "-") return decode(await readStdin(cli), "stdin").trim();
  const path = resolve(cli.cwd, file);
  try {
    if ((await stat(path)).size > MAX_TOKEN_BYTES) throw new Error(`it is larger than ${MAX_TOKEN_BYTES} bytes`);
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new MaestroError("token_unusable", `The token of ${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
      fix: "Name a file with the token that your CI system gave this job, or hand it over on stdin: `--exchange -`.",
    });
  }
}

/** By the type that it says it has itself; the control plane looks again. */
function typeOf(token: string): TokenType {
  const head = Buffer.from(token.split(".")[0] ?? "", "base64url").toString("latin1");
  return /"typ"\s*:\s*"(?:application\/)?at\+jwt"/i.test(head)
    ? "urn:ietf:params:oauth:token-type:access_token"
    : "urn:ietf:params:oauth:token-type:jwt";
}

async function showLink(cli: Cli): Promise<number> {
  const client = await cli.connect("look");
  try {
    const link = await client.send<{ readonly url: string; readonly expiresAt: number }>("POST", "/v1/login-links", {});
    if (isData(cli)) await printObject(cli, link);
    else await printLines(cli, [link.url]);
    cli.terminal.say(`lets one browser on that machine in as the owner, once, until ${time(link.expiresAt)}`);
    return 0;
  } finally {
    await client.close();
  }
}
