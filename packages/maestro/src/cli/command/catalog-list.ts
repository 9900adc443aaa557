import type { CatalogEntry } from "../../catalog/list.ts";
import type { Cli, Input } from "../cli.ts";
import { ago, shortDigest } from "../format.ts";
import { printList } from "../output.ts";

interface Page {
  readonly workflows: readonly CatalogEntry[];
  readonly folder: { readonly path: string; readonly problem: string | null } | null;
  readonly cursor: string | null;
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const query = {
    namespace: input.text("namespace"),
    name: input.optionalArg("name"),
    source: input.flag("all") === true ? undefined : ["folder", "published"],
    limit: 200,
  };
  const client = await cli.connect("look");
  try {
    const rows: CatalogEntry[] = [];
    let page: Page;
    let cursor: string | undefined;
    do {
      page = await client.get<Page>("/v1/workflows", { ...query, cursor });
      rows.push(...page.workflows);
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    await printList<CatalogEntry>(cli, {
      columns: [
        { head: "WORKFLOW", value: refOf },
        { head: "SOURCE", value: ({ source, file }) => (source === "folder" ? (file ?? "folder") : source) },
        { head: "SINCE", value: ({ createdAt }) => (createdAt === null ? "-" : ago(Date.now() - createdAt)) },
        { head: "PLAN", value: ({ planDigest }) => (planDigest === null ? "-" : shortDigest(planDigest)), wide: true },
        { head: "PROBLEM", value: ({ problem }) => problem?.message ?? "", flexible: true },
      ],
      rows,
      name: refOf,
      answer: { ...page, cursor: null },
      member: "workflows",
      empty:
        "Nothing is published here. `maestro catalog publish FILE` publishes a manifest; `--all` lists what merely ran.",
    });
    if (page.folder?.problem != null) cli.terminal.say(`folder ${page.folder.path}: ${page.folder.problem}`);
    return 0;
  } finally {
    await client.close();
  }
}

function refOf({ namespace, name, version }: CatalogEntry): string {
  return name === null ? "-" : `${namespace}/${name}@${version}`;
}
