import { chmod, writeFile } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readCredential } from "./credential.ts";
import type { CredentialSource } from "./credential.ts";
import { inputPath } from "./define.ts";
import type { GitConfig } from "./git-run.ts";
import { admitHost, systemResolve } from "./http-admit.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

export type Transport = "https" | "http" | "ssh" | "file";

export interface RemoteInput {
  readonly url: string;
  readonly transports?: readonly Transport[];
  readonly allowPrivate?: readonly string[];
  readonly username?: string;
  readonly password?: CredentialSource;
  readonly sshKey?: CredentialSource;
  readonly knownHosts?: string;
  readonly ca?: string;
}

/** Where a repository is, and what git needs to go there and nowhere else. */
export interface Remote {
  readonly url: string;
  readonly network: boolean;
  readonly config: GitConfig;
  readonly env: Readonly<Record<string, string>>;
}

export const DEFAULT_TRANSPORTS: readonly Transport[] = ["https", "ssh"];
const SCHEMES: Readonly<Record<string, Transport>> = {
  "https:": "https",
  "http:": "http",
  "ssh:": "ssh",
  "file:": "file",
};

interface Address {
  readonly transport: Transport;
  readonly url: URL;
}

/** What is wrong with a remote, before anything is asked. */
export function remoteProblems(input: RemoteInput, context: TaskContext): readonly string[] {
  const address = addressOf(input.url, context);
  if (typeof address === "string") return [`url: ${address}`];
  const { transport, url } = address;
  const problems: string[] = [];
  if (!(input.transports ?? DEFAULT_TRANSPORTS).includes(transport))
    problems.push(`url: ${transport} is not among \`transports\`; list it there if it is meant`);
  if (url.password !== "" || (url.username !== "" && transport !== "ssh"))
    problems.push(
      "url: holds a user name or password, which would end in the history of the run; use `username` and `password`",
    );
  const isHttp = transport === "https" || transport === "http";
  if (!isHttp && (input.password !== undefined || input.username !== undefined || input.ca !== undefined))
    problems.push("username, password and ca go with https only");
  if (transport === "http" && input.password !== undefined)
    problems.push("password: is not sent over http, where everybody on the way could read it; use https");
  if (transport === "ssh" && (input.sshKey === undefined || input.knownHosts === undefined))
    problems.push("ssh needs `sshKey` and `knownHosts`");
  if (transport !== "ssh" && (input.sshKey !== undefined || input.knownHosts !== undefined))
    problems.push("sshKey and knownHosts go with ssh only");
  if (input.knownHosts?.includes('"') === true) problems.push('knownHosts: holds a `"`, which ssh cannot be given');
  return problems;
}

/** Reads credentials and checks the address. Fails with CREDENTIAL, BLOCKED_ADDRESS or UNAVAILABLE. */
export async function openRemote(input: RemoteInput, context: TaskContext): Promise<Remote> {
  const address = addressOf(input.url, context);
  if (typeof address === "string") throw new Error("validate() let a bad address through");
  const { transport, url } = address;
  const only: GitConfig = [[`protocol.${transport}.allow`, "always"]];
  if (transport === "file") return { url: url.href, network: false, config: only, env: { GIT_ALLOW_PROTOCOL: "file" } };
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const [{ address: ip, family }] = await admitHost(host, {
    resolve: systemResolve,
    allowPrivate: input.allowPrivate ?? [],
  });
  const base = { url: url.href, network: true };
  if (transport === "ssh") {
    const GIT_SSH_COMMAND = await sshCommand(input, { host, ip }, context);
    return { ...base, config: only, env: { GIT_ALLOW_PROTOCOL: "ssh", GIT_SSH_COMMAND, GIT_SSH_VARIANT: "ssh" } };
  }
  const port = url.port === "" ? (transport === "https" ? "443" : "80") : url.port;
  const config: GitConfig = [
    ...only,
    // The address that was checked is the one that is called (DNS rebinding).
    ["http.curloptResolve", `${host}:${port}:${family === 6 ? `[${ip}]` : ip}`],
    ...(input.ca === undefined ? [] : [["http.sslCAInfo", inputPath(context, input.ca)] as const]),
    ...(input.password === undefined
      ? []
      : [
          // For this host only. A builtin prints it, so that it is in no arguments; git itself never has it in its own.
          [
            `credential.${url.origin}.helper`,
            `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$GIT_TASK_USERNAME" "$GIT_TASK_PASSWORD"; }; f`,
          ] as const,
        ]),
  ];
  const env = { GIT_ALLOW_PROTOCOL: transport };
  if (input.password === undefined) return { ...base, config, env };
  const secret = oneLine(await readCredential(context, input.password), "password");
  return { ...base, config, env: { ...env, GIT_TASK_USERNAME: input.username ?? "git", GIT_TASK_PASSWORD: secret } };
}

/** An address in one of the spellings that git knows, or what is wrong with it. */
function addressOf(text: string, context: TaskContext): Address | string {
  if (/[\p{Cc}\s]/u.test(text)) return "holds blanks or control characters";
  if (text.startsWith("-")) return "begins with `-`";
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text);
  if (scheme === null) {
    // `host:path` is ssh; `transport::address` starts a helper program.
    if (text.includes("::")) return "names a helper of git, which is not started";
    const short = /^(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9._-]+):(?!\/\/)(.+)$/.exec(text);
    if (short !== null && !isAbsolute(text) && !text.startsWith("."))
      return addressOf(`ssh://${short[1] ?? "git"}@${short[2]}/${short[3]?.replace(/^\//, "") ?? ""}`, context);
    return { transport: "file", url: new URL(`file://${encodeURI(resolve(context.base, text))}`) };
  }
  const url = URL.parse(text);
  if (url === null) return "is no URL";
  const transport = SCHEMES[url.protocol];
  if (transport === undefined) return `${url.protocol}// is not spoken; use https, ssh or file`;
  if (transport === "file") {
    if (url.hostname !== "") return "names another machine; file:// has none";
    return { transport, url: new URL(`file://${encodeURI(resolve(fileURLToPath(url)))}`) };
  }
  if (url.hostname === "" || url.hostname.startsWith("-")) return "has no host";
  if (url.search !== "" || url.hash !== "") return "has a query or fragment, which no repository has";
  if (url.username.startsWith("-")) return "has a user name that begins with `-`";
  return { transport, url };
}

/** ssh(1) that reads none of the user's files, asks nobody, and believes only the keys it is given. */
async function sshCommand(
  { sshKey, knownHosts }: RemoteInput,
  { host, ip }: { readonly host: string; readonly ip: string },
  context: TaskContext,
): Promise<string> {
  if (sshKey === undefined || knownHosts === undefined) throw new Error("validate() let ssh without keys through");
  const key = join(context.dir(), ".ssh-key-of-the-task");
  await writeFile(key, `${(await readCredential(context, sshKey)).trimEnd()}\n`, { mode: 0o600 });
  await chmod(key, 0o600);
  return [
    "ssh -F /dev/null -T -a -x",
    `-i ${quoted(key)}`,
    "-o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=yes -o UpdateHostKeys=no",
    // ssh reads a list of paths there, with quotes and %-signs of its own.
    `-o ${quoted(`UserKnownHostsFile="${inputPath(context, knownHosts).replaceAll("%", "%%")}"`)} -o GlobalKnownHostsFile=/dev/null`,
    "-o ConnectTimeout=30 -o PermitLocalCommand=no -o ProxyCommand=none -o ClearAllForwardings=yes",
    // The address that was checked; the key is still the one of the name.
    `-o HostName=${ip} -o HostKeyAlias=${quoted(host)}`,
  ].join(" ");
}

/** git hands the command to a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The credential protocol has one value a line. */
function oneLine(secret: string, name: string): string {
  if (!/[\r\n\0]/.test(secret)) return secret;
  throw new TaskFailure({
    code: "CREDENTIAL",
    message: `What \`${name}\` names has several lines, and git takes one. Check that it is the token and nothing else.`,
    final: true,
  });
}
