import { AUDIT_KINDS } from "../store/audit.ts";
import type { Cli, Input } from "./cli.ts";
import type { Client } from "./client.ts";
import { time } from "./format.ts";
import { fullRunId } from "./full-run-id.ts";
import { printList } from "./output.ts";
import { timeOption } from "./time-option.ts";

interface Row {
  readonly place: number;
  readonly entry: {
    readonly at: number;
    readonly kind: string;
    readonly actor: { readonly type: string; readonly id: string };
    readonly action: string;
    readonly resource: { readonly type: string; readonly id: string };
    readonly allow: boolean;
    readonly count?: number;
    readonly code?: string;
    readonly from?: string;
  };
}

interface Page {
  readonly entries: readonly Row[];
  readonly cursor: string | null;
}

/** Who did, saw or was refused what, newest first. Goes on from page to page until there are as many as are wanted. */
export async function listAudit(cli: Cli, client: Client, input: Input): Promise<number> {
  const limit = input.integer("limit", { min: 1, max: 1_000 }) ?? 50;
  const words = input.args("query").join(" ");
  const run = input.text("run");
  const query = {
    ...(words === "" ? {} : { text: words }),
    ...given("actor", input.text("actor")),
    ...given("action", input.text("action")),
    ...given("resource", input.text("resource")),
    ...given("namespace", input.text("namespace")),
    ...given("kind", input.choice("kind", AUDIT_KINDS)),
    ...given("from", timeOption(input, "since")),
    ...given("to", timeOption(input, "until")),
    ...(input.flag("denied") === true ? { allow: "false" } : {}),
    ...(run === undefined ? {} : { run: await fullRunId(client, run) }),
  };
  const rows: Row[] = [];
  let cursor: string | null | undefined;
  while (rows.length < limit && cursor !== null) {
    const page: Page = await client.get<Page>("/v1/audit", {
      ...query,
      limit: Math.min(500, limit - rows.length),
      ...given("cursor", cursor),
    });
    rows.push(...page.entries);
    ({ cursor } = page);
  }
  await printList<Row>(cli, {
    columns: [
      { head: "PLACE", value: ({ place }) => String(place), wide: true },
      { head: "TIME", value: ({ entry }) => time(entry.at) },
      { head: "KIND", value: ({ entry }) => entry.kind },
      { head: "WHO", value: ({ entry: { actor } }) => (actor.id === "" ? actor.type : actor.id) },
      { head: "WHAT", value: ({ entry }) => whatOf(entry), flexible: true },
    ],
    rows,
    name: ({ place }) => String(place),
    answer: { apiVersion: "maestro/v1", kind: "AuditList", entries: rows, cursor: cursor ?? null },
    member: "entries",
    empty: "Nothing in the audit is like that.",
  });
  return 0;
}

function given<K extends string>(name: K, value: string | number | undefined): Partial<Record<K, string | number>> {
  return value === undefined ? {} : ({ [name]: value } as Partial<Record<K, string | number>>);
}

function whatOf({ action, resource, allow, count, code, from }: Row["entry"]): string {
  return [
    allow ? action : `refused ${action}`,
    resource.id === "" ? resource.type : `${resource.type}/${resource.id}`,
    ...(count === undefined ? [] : [`${count} times`]),
    ...(code === undefined ? [] : [code]),
    ...(from === undefined ? [] : [`from ${from}`]),
  ].join("  ");
}
