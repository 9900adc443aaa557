import { mkdir, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Artifact, RunEvent } from "../../core/event.ts";
import type { Plan } from "../../core/plan.ts";
import type { RunView } from "../../engine/engine.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { size, stepName, time } from "../format.ts";
import { isData, printLines, printList, printObject } from "../output.ts";
import { PlainLines } from "../plain.ts";
import { printPlan } from "../plan-output.ts";
import { proofOf } from "../proof.ts";
import { viewLines } from "../view-lines.ts";

const WATCH_MS = 2000;

export async function run(cli: Cli, input: Input): Promise<number> {
  const parts = (["events", "artifacts", "plan"] as const).filter((name) => input.flag(name) === true);
  if (parts.length > 1) throw usage(`--${parts.join(" and --")} show different things; choose one.`);
  if (input.text("save") !== undefined && parts[0] !== "artifacts") throw usage("--save belongs to --artifacts.");
  // Who looks for long is an engine meanwhile; else it would keep others from being one.
  const client = await cli.connect(input.flag("watch") === true ? "work" : "look");
  try {
    const reference = encodeURIComponent(input.arg("run"));
    switch (parts[0]) {
      case "events":
        await showEvents(cli, client, reference);
        return 0;
      case "artifacts":
        await showArtifacts(cli, client, reference, input.text("save"));
        return 0;
      case "plan":
        await printPlan(
          cli,
          await client.get<{ readonly plan: Plan; readonly digest: string }>(`/v1/runs/${reference}/plan`),
        );
        return 0;
      default:
        await showRun(cli, client, reference, input.flag("watch") === true);
        return 0;
    }
  } finally {
    await client.close();
  }
}

async function showRun(cli: Cli, client: Client, reference: string, watch: boolean): Promise<void> {
  for (;;) {
    const view = await client.get<RunView & { readonly removed?: string }>(`/v1/runs/${reference}`);
    if (watch && cli.terminal.outIsTty) await cli.terminal.write("\x1b[H\x1b[J");
    await printView(cli, client, view);
    if (!watch || view.run.endedAt !== null) return;
    await sleep(WATCH_MS);
  }
}

async function printView(cli: Cli, client: Client, view: RunView & { readonly removed?: string }): Promise<void> {
  if (isData(cli)) return printObject(cli, view);
  if (cli.output === "name") return printLines(cli, [view.run.id]);
  const { terminal } = cli;
  const proof = await proofOf(client, view);
  if (view.removed !== undefined) terminal.say(view.removed);
  const style = terminal.outIsTty ? terminal.out : { colour: terminal.out.colour, unicode: true };
  await printLines(
    cli,
    viewLines(view, {
      style,
      proof,
      width: terminal.outIsTty && cli.output !== "wide" ? terminal.width() : Infinity,
      now: Date.now(),
    }),
  );
}

async function showEvents(cli: Cli, client: Client, reference: string): Promise<void> {
  const all: RunEvent[] = [];
  let lines: PlainLines | undefined;
  for (let after: number | null = 0; after !== null;) {
    const page: { readonly run: string; readonly events: readonly RunEvent[]; readonly next: number | null } =
      await client.get(`/v1/runs/${reference}/events`, { after, limit: 1000 });
    const names = (lines ??= new PlainLines(page.run, { complete: true }));
    after = page.next;
    if (cli.output === "json" || cli.output === "yaml") all.push(...page.events);
    else if (cli.output === "jsonl")
      await printLines(
        cli,
        page.events.map((event) => JSON.stringify(event)),
      );
    else
      await printLines(
        cli,
        page.events.map((event) => `${event.seq}\t${names.line(event) ?? `${time(event.at).slice(11)} ${event.kind}`}`),
      );
  }
  if (cli.output === "json" || cli.output === "yaml") await printObject(cli, { events: all });
}

interface RunArtifact extends Artifact {
  readonly task: string;
  readonly item: number;
}

async function showArtifacts(cli: Cli, client: Client, reference: string, folder: string | undefined): Promise<void> {
  const answer = await client.get<{ readonly artifacts: readonly RunArtifact[] }>(`/v1/runs/${reference}/artifacts`);
  if (folder !== undefined) await saveArtifacts(cli, client, reference, answer.artifacts, resolve(cli.cwd, folder));
  await printList<RunArtifact>(cli, {
    columns: [
      { head: "STEP", value: stepName },
      { head: "NAME", value: ({ name }) => name, flexible: true },
      { head: "SIZE", value: (one) => String(one.size), short: (one) => size(one.size), align: "right" },
      { head: "DIGEST", value: ({ digest }) => digest },
    ],
    rows: answer.artifacts,
    name: ({ digest }) => digest,
    answer,
    member: "artifacts",
    empty: "This run left no files behind.",
  });
}

async function saveArtifacts(
  cli: Cli,
  client: Client,
  reference: string,
  artifacts: readonly RunArtifact[],
  folder: string,
): Promise<void> {
  for (const artifact of artifacts) {
    const response = await client.fetch(`/v1/runs/${reference}/artifacts/${artifact.digest}`);
    // Names come from tasks: only their last part is used, below a folder per step.
    const step = join(folder, stepName(artifact).replaceAll(/[^\w[\]-]/g, "_"));
    const path = join(step, basename(artifact.name) || "artifact");
    await mkdir(step, { recursive: true });
    if (response.body !== null) await writeFile(path, response.body);
    cli.terminal.say(`saved ${path}`);
  }
}
