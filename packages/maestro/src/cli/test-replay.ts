import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { API_VERSION } from "../api/respond.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import type { RunComparison } from "../engine/compare-run.ts";
import type { RunPage } from "../store/store.ts";
import { usage } from "./cli.ts";
import type { Cli, Input } from "./cli.ts";
import type { Client } from "./client.ts";
import { count, grouped, shortId } from "./format.ts";
import { invalidManifest } from "./manifest-errors.ts";
import { readSource } from "./manifest-source.ts";
import type { Source } from "./manifest-source.ts";
import { isData, printLines } from "./output.ts";
import { glyph } from "./terminal/style.ts";
import { safe } from "./terminal/text.ts";

/** Runs of one request. */
const BATCH = 50;

/** `maestro test --replay`: stored histories by another version. Exit code 1 where a run would have gone another way. */
export async function replayTests(cli: Cli, input: Input, given: string): Promise<number> {
  const { query, manifest } = sorted(cli, given, input.args("path"));
  const source = await readSource(cli, manifest);
  if (!("manifest" in source)) throw usage(`--replay compares with a manifest, and ${manifest} is none.`);
  const client = await cli.connect("look");
  try {
    const plan = await compile(cli, client, source);
    return await new Comparisons(cli).all(client, source, runsOf(client, plan, query));
  } finally {
    await client.close();
  }
}

/** `--replay x.yaml` takes the manifest for its value: then all runs are meant. */
function sorted(
  cli: Cli,
  given: string,
  paths: readonly string[],
): { readonly query: string; readonly manifest: string } {
  const [manifest, ...more] = paths;
  if (more.length > 0) throw usage(`--replay takes one manifest, not ${paths.length}.`);
  if (manifest !== undefined) return { query: given, manifest };
  if (/\.(ya?ml|json)$/.test(given) && existsSync(resolve(cli.cwd, given))) return { query: "all", manifest: given };
  throw usage("--replay needs the manifest to compare with: maestro test --replay all release.maestro.yaml.");
}

async function compile(
  cli: Cli,
  client: Client,
  source: Extract<Source, { readonly manifest: string }>,
): Promise<Plan> {
  const answer = await client.send<{ readonly plan: Plan | null; readonly diagnostics: readonly JsonObject[] }>(
    "POST",
    "/v1/plan",
    source,
  );
  if (answer.plan === null) throw invalidManifest(cli, source, answer.diagnostics);
  return answer.plan;
}

/** Ids, page after page, so that memory does not grow with the number of runs. */
async function* runsOf(client: Client, plan: Plan, query: string): AsyncGenerator<readonly string[]> {
  if (query.startsWith("@") || /^r_[a-z0-9]+$/.test(query)) {
    yield [query];
    return;
  }
  const { namespace, name } = plan.workflow;
  const text = query === "all" ? undefined : query;
  let cursor: string | null = null;
  do {
    const page: RunPage = await client.get<RunPage>("/v1/runs", {
      namespace,
      workflow: name,
      text,
      limit: BATCH,
      cursor: cursor ?? undefined,
    });
    if (page.runs.length > 0) yield page.runs.map(({ id }) => id);
    cursor = page.cursor;
  } while (cursor !== null);
}

class Comparisons {
  readonly #cli: Cli;
  readonly #counts: Record<RunComparison["kind"], number> = { same: 0, differs: 0, incomparable: 0 };

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  async all(client: Client, source: Source, batches: AsyncIterable<readonly string[]>): Promise<number> {
    const cli = this.#cli;
    for await (const runs of batches) {
      const { comparisons } = await client.send<{ readonly comparisons: readonly RunComparison[] }>(
        "POST",
        "/v1/replays",
        { ...source, runs },
      );
      for (const one of comparisons) await this.#tell(one);
    }
    const { same, differs, incomparable } = this.#counts;
    const total = same + differs + incomparable;
    if (cli.output === "json" || cli.output === "yaml" || cli.output === "jsonl")
      await printLines(cli, [
        JSON.stringify({ apiVersion: API_VERSION, kind: "ReplaySummary", runs: total, ...this.#counts }),
      ]);
    else
      cli.terminal.say(
        total === 0
          ? "There is no run of this workflow to decide again."
          : `${count(total, "run")} decided again: ${grouped(same)} the same, ${grouped(differs)} another way, ${grouped(incomparable)} cannot be compared`,
      );
    return differs > 0 ? 1 : 0;
  }

  /** Those that are the same are counted, not listed; as data a line each, so that nothing is kept. */
  async #tell(one: RunComparison): Promise<void> {
    const cli = this.#cli;
    this.#counts[one.kind] += 1;
    if (one.kind === "same") return;
    if (isData(cli)) return printLines(cli, [JSON.stringify(one)]);
    if (cli.output === "name") return printLines(cli, [one.run]);
    const mark = glyph(cli.terminal.out, one.kind === "differs" ? "failed" : "skipped");
    const where = one.kind === "differs" ? `at event ${one.seq} of ${one.events}` : "cannot be compared";
    await printLines(cli, [`${mark} ${shortId(one.run)}  ${one.status}  ${where}: ${safe(one.why)}`]);
  }
}
