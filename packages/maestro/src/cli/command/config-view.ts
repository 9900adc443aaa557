import type { Cli, Input } from "../cli.ts";
import { readConfig } from "../config-file.ts";
import { printList } from "../output.ts";
import type { Setting, Target } from "../target.ts";

interface Line extends Setting {
  readonly key: string;
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const { path, contexts } = readConfig(cli.terminal.env);
  const inForce = linesOf(cli.target);
  const stored = Object.entries(contexts).flatMap(([name, context]) =>
    Object.entries(context).map(([member, value]) => ({ key: `contexts.${name}.${member}`, value, origin: path })),
  );
  await printList<Line>(cli, {
    columns: [
      { head: "KEY", value: ({ key }) => key },
      { head: "VALUE", value: ({ value }) => value },
      ...(input.flag("origin") === true ? [{ head: "ORIGIN", value: ({ origin }: Line) => origin }] : []),
    ],
    rows: [...inForce, ...stored],
    name: ({ key }) => key,
    answer: { apiVersion: "maestro/v1", kind: "ConfigView", file: path },
    member: "settings",
    empty: "",
  });
  return 0;
}

/** What commands work on here. */
function linesOf(target: Target): readonly Line[] {
  const context = target.context === undefined ? [] : [{ key: "context", ...target.context }];
  if (target.kind === "data") return [...context, { key: "data", ...target.data }];
  const { server, token } = target;
  return [...context, { key: "server", ...server }, ...tokenLines(token)];
}

function tokenLines(token: Extract<Target, { kind: "server" }>["token"]): readonly Line[] {
  if (token === undefined) return [{ key: "token", value: "(none)", origin: "default" }];
  if (token.kind === "login") return [{ key: "login", value: token.credential.subject, origin: token.file.value }];
  if (token.kind === "file") return [{ key: "tokenFile", ...token.file }];
  return [{ key: "token", value: "(hidden)", origin: token.variable }];
}
