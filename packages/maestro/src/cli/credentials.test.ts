import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { credentialFor, credentialsPath, forgetCredential, keepCredential } from "./credentials.ts";
import type { Credential } from "./credentials.ts";
import { remoteTransport } from "./remote.ts";
import { findTarget } from "./target.ts";

describe("the file of logins", () => {
  let dir = "";
  let env: NodeJS.ProcessEnv = {};
  let path = "";
  const credential = (n: string): Credential => ({
    token: `maestro_s_${n.repeat(43)}`,
    session: `s_${n}`,
    subject: "company:anna",
    expiresAt: Date.now() + 60_000,
  });
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-credentials-"));
    env = { XDG_CONFIG_HOME: dir };
    path = credentialsPath(env);
  });
  after(async () => rm(dir, { recursive: true }));

  it("keeps one token per server, for its owner alone", async () => {
    assert.equal(credentialFor(env, "http://a"), undefined);
    await keepCredential(env, "http://a", credential("a"));
    await keepCredential(env, "http://b", credential("b"));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(dirname(path)), ["credentials.json"], "and nothing beside it");
    assert.equal(credentialFor(env, "http://a")?.session, "s_a");
    assert.equal(credentialFor(env, "http://b")?.session, "s_b");
    assert.equal(credentialFor(env, "http://a:80"), undefined);
    assert.equal(await forgetCredential(env, "http://a"), true);
    assert.equal(await forgetCredential(env, "http://a"), false);
    assert.equal(credentialFor(env, "http://a"), undefined);
    assert.ok(!(await readFile(path, "utf8")).includes("maestro_s_aaa"));
  });

  it("is what a command takes where no token was named, for that server and no other", async () => {
    const find = (server: string, more: NodeJS.ProcessEnv = {}): string => {
      const flags = { data: undefined, server, tokenFile: undefined, context: undefined };
      const target = findTarget({ flags, env: { ...env, ...more }, cwd: dir });
      return target.kind === "server" ? (target.token?.kind ?? "none") : target.kind;
    };
    assert.deepEqual([find("http://b"), find("http://b/"), find("http://c")], ["login", "login", "none"]);
    assert.equal(find("http://b", { MAESTRO_TOKEN: "x" }), "value");
  });

  it("says that a login is over before it sends anything", async () => {
    const over = { ...credential("c"), expiresAt: Date.UTC(2026, 0, 2) };
    const token = { kind: "login", file: { value: path, origin: "maestro login" }, credential: over } as const;
    const server = { kind: "server", context: undefined, server: { value: "http://c", origin: "" }, token } as const;
    await assert.rejects(remoteTransport(server), {
      code: "unauthorized",
      message: "The login to http://c ended at 2026-01-02T00:00:00Z.",
      fix: /maestro login/,
    });
  });

  it("is refused where others may read it, where it is a link, and where it is not what login wrote", async () => {
    const refuses = (message: RegExp): void =>
      assert.throws(
        () => credentialFor(env, "http://b"),
        (error: Error) => {
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /secret/);
          return "code" in error && error.code === "token_unusable";
        },
      );
    await chmod(path, 0o640);
    refuses(/may be read by others/);
    for (const text of ["a secret", "[]", '{"servers":[]}', '{"servers":{"http://b":{"token":"a secret"}}}']) {
      await writeFile(path, text);
      await chmod(path, 0o600);
      refuses(/is not what `maestro login` wrote/);
    }
    await writeFile(path, "x".repeat(300_000));
    refuses(/is larger than 262144 bytes/);
    await rm(path);
    await writeFile(join(dir, "elsewhere"), "{}", { mode: 0o600 });
    await symlink(join(dir, "elsewhere"), path);
    refuses(/is no file/);
    await rm(path);
    await mkdir(path);
    refuses(/is no file/);
  });
});
