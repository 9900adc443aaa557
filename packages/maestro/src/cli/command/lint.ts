import type { Cli, Input } from "../cli.ts";

export function run(_cli: Cli, _input: Input): Promise<number> {
  return Promise.resolve(0);
}
