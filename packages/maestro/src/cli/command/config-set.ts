import type { Cli, Input } from "../cli.ts";
import { changeConfig, CONTEXT_SHAPE, readConfig, readContext } from "../config-file.ts";
import type { Context } from "../config-file.ts";
import { readKey } from "../config-key.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const [key, value] = [input.arg("key"), input.arg("value")];
  const keys = readKey(key);
  const config = readConfig(cli.terminal.env);
  const [, name, member] = keys;
  if (name !== undefined && member !== undefined && value !== "") {
    // What would be refused when it is read is refused now, and the file stays as it was.
    const old: Context = config.contexts[name] ?? {};
    const other = member === "data" ? ["server", "tokenFile"] : member === "server" ? ["data"] : [];
    const kept = Object.entries(old).filter(([one]) => Object.hasOwn(CONTEXT_SHAPE, one) && !other.includes(one));
    const early = member === "tokenFile" && old.server === undefined ? { server: "http://127.0.0.1" } : {};
    readContext(config.path, name, { ...Object.fromEntries(kept), ...early, [member]: value });
    for (const one of other) if (one in old) await changeConfig(config.path, ["contexts", name, one], "");
  }
  await changeConfig(config.path, keys, value);
  cli.terminal.say(value === "" ? `${key} is no longer set in ${config.path}` : `${key} is set in ${config.path}`);
  return 0;
}
