import { suggest } from "../core/suggest.ts";
import { usage } from "./cli.ts";
import { CONTEXT_SHAPE } from "./config-file.ts";
import type { Config, Context } from "./config-file.ts";

/** `current` or `contexts.NAME.MEMBER` as keys of the file. Errors: `invalid_request`. */
export function readKey(text: string): readonly string[] {
  if (text === "current") return ["current"];
  const members = Object.keys(CONTEXT_SHAPE);
  const [head, name = "", member = "", ...rest] = text.split(".");
  if (head === "contexts" && name !== "" && rest.length === 0 && members.includes(member)) return [head, name, member];
  const near = suggest(member === "" ? text : member, member === "" ? ["current", "contexts"] : members);
  throw usage(
    `There is no key ${JSON.stringify(text)}; there are current and contexts.NAME.${members.join(", contexts.NAME.")}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
  );
}

export function valueOf(config: Config, [head, name = "", member = ""]: readonly string[]): string | undefined {
  if (head === "current") return config.current;
  const context = Object.hasOwn(config.contexts, name) ? config.contexts[name] : undefined;
  return context?.[member as keyof Context];
}
