import type { JsonObject } from "../../core/json.ts";
import { MaestroError } from "../../core/problem.ts";
import type { Cli, Input } from "../cli.ts";
import { usage } from "../cli.ts";
import { count, shortDigest } from "../format.ts";
import { sayDiagnostics } from "../manifest-errors.ts";
import { readSource } from "../manifest-source.ts";
import type { Source } from "../manifest-source.ts";
import { printList } from "../output.ts";

interface Publication {
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  readonly planDigest: string;
  readonly manifestDigest: string;
  readonly createdAt: number;
  /** False: it was there already, with the same content. */
  readonly created: boolean;
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const sources: Extract<Source, { readonly manifest: string }>[] = [];
  for (const file of input.args("file")) {
    const source = await readSource(cli, file);
    if (!("manifest" in source)) throw usage(`There is no file ${file}; a manifest is published from its file.`);
    sources.push(source);
  }
  const client = await cli.connect("look");
  try {
    // All are looked at before the first is published, so that one that is broken does not leave half of them done.
    const broken: JsonObject[] = [];
    for (const source of sources) {
      const { plan, diagnostics } = await client.send<{
        readonly plan: object | null;
        readonly diagnostics: readonly JsonObject[];
      }>("POST", "/v1/plan", source);
      sayDiagnostics(cli, diagnostics);
      if (plan === null) broken.push(...diagnostics.filter(({ severity }) => severity === "error"));
    }
    if (broken.length > 0)
      throw new MaestroError(
        "invalid_manifest",
        `The manifests have ${count(broken.length, "problem")}; nothing was published.`,
        {
          facts: { diagnostics: broken },
        },
      );
    const published: Publication[] = [];
    for (const source of sources) {
      const headers = { "content-type": "application/json" };
      const response = await client.fetch("/v1/workflows", { method: "POST", body: JSON.stringify(source), headers });
      const { namespace, name, version, planDigest, manifestDigest, createdAt } =
        (await response.json()) as Publication;
      const created = response.status === 201;
      published.push({ namespace, name, version, planDigest, manifestDigest, createdAt, created });
    }
    await printList<Publication>(cli, {
      columns: [
        { head: "WORKFLOW", value: ({ namespace, name, version }) => `${namespace}/${name}@${version}` },
        { head: "PLAN", value: ({ planDigest }) => shortDigest(planDigest) },
        { head: "CAME OF IT", value: ({ created }) => (created ? "published" : "was published before") },
      ],
      rows: published,
      name: ({ namespace, name, version }) => `${namespace}/${name}@${version}`,
      answer: { apiVersion: "maestro/v1", kind: "PublicationList", published },
      member: "published",
      empty: "Nothing was published.",
    });
    return 0;
  } finally {
    await client.close();
  }
}
