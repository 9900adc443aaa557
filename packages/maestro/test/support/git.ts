import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";

const ENV = {
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.com",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.com",
  GIT_AUTHOR_DATE: "2026-03-01T10:00:00Z",
  GIT_COMMITTER_DATE: "2026-03-01T10:00:00Z",
};

/** Real git, with nobody's configuration; answers what it printed. */
export function gitIn(cwd: string, ...args: readonly string[]): string {
  return execFileSync("git", args, { cwd, env: ENV, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

/** Writes files and commits all of them; answers the id. */
export function commitIn(cwd: string, files: Readonly<Record<string, string>>, message: string): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, path)), { recursive: true });
    writeFileSync(join(cwd, path), text);
  }
  gitIn(cwd, "add", "-A");
  gitIn(cwd, "commit", "-q", "-m", message);
  return gitIn(cwd, "rev-parse", "HEAD");
}

export interface GitServer extends AsyncDisposable {
  readonly port: number;
  /** `user:password` of every request that had them. */
  readonly credentials: string[];
  /** Answers in place of the repository, where it says so. */
  answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
}

/** `git http-backend` of the repositories in a folder, behind a password or over TLS where one is given. */
export async function serveGit(
  root: string,
  options: { readonly password?: string; readonly certificate?: { readonly cert: string; readonly key: string } } = {},
): Promise<GitServer> {
  const { password, certificate } = options;
  const credentials: string[] = [];
  const state: { answer: GitServer["answer"] } = { answer: undefined };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const given = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const login = given === undefined ? undefined : Buffer.from(given, "base64").toString();
    if (login !== undefined) credentials.push(login);
    if (state.answer?.(request, response) === true) return;
    if (password !== undefined && login !== `git:${password}`) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return;
    }
    backend(root, request, response);
  };
  const server = certificate === undefined ? createServer(handle) : createSecureServer(certificate, handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    credentials,
    get answer() {
      return state.answer;
    },
    set answer(answer) {
      state.answer = answer;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** One request by the rules of CGI (RFC 3875). */
function backend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://localhost");
  const child = spawn("git", ["-c", "safe.directory=*", "http-backend"], {
    env: {
      ...ENV,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      REQUEST_METHOD: request.method,
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      REMOTE_USER: "git",
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  // A client that goes away takes its request with it.
  response.on("close", () => child.kill());
  child.stdin.on("error", () => response.destroy());
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  child.stdout.on("data", (chunk: Buffer) => {
    if (response.headersSent) return void response.write(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end === -1) return;
    const lines = head.subarray(0, end).toString("latin1").split("\r\n");
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
    );
    response.writeHead(Number.parseInt(headers["Status"] ?? "200", 10), headers);
    response.write(head.subarray(end + 4));
  });
  child.stdout.on("end", () => response.end());
}
