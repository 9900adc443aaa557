import type { Input } from "./cli.ts";

/** A folder of its own: what a witness saw must not lie where the log's owner can change it. */
export function witnessFolder(input: Input): string {
  return input.text("dir") ?? "maestro-witness";
}
