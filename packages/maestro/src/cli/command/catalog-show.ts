import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { time } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";
import { planLines } from "../plan-output.ts";
import { getStored } from "../stored-workflow.ts";
import type { StoredWorkflow } from "../stored-workflow.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const only = (["manifest", "plan", "signature"] as const).filter((name) => input.flag(name) === true);
  if (only.length > 1) throw usage(`Give one of ${only.map((name) => `--${name}`).join(", ")}.`);
  const client = await cli.connect("look");
  try {
    const stored = await getStored(client, input.arg("name"));
    const ref = `${stored.namespace}/${stored.name}@${stored.version}`;
    if (only[0] === "signature" && stored.signature === null)
      throw usage(`${ref} was not published, so nobody signed it.`, "Publish it: `maestro catalog publish FILE`.");
    if (only[0] === "manifest") await cli.terminal.write(stored.manifest);
    // The bytes that were signed: the bundle has one text, without white space.
    else if (only[0] === "signature") await printLines(cli, [JSON.stringify(stored.signature)]);
    else if (only[0] === "plan") await printLines(cli, [JSON.stringify(stored.plan)]);
    else if (isData(cli)) await printObject(cli, stored);
    else if (cli.output === "name") await printLines(cli, [ref]);
    else await printLines(cli, linesOf(cli, stored));
    return 0;
  } finally {
    await client.close();
  }
}

function linesOf(cli: Cli, stored: StoredWorkflow): readonly string[] {
  const { plan, planDigest, source, createdAt, manifestDigest, versions } = stored;
  const since = {
    published: `published at ${time(createdAt)}, signed and verified`,
    folder: "a file of the watched folder; it changes with the file",
    run: `ran here first at ${time(createdAt)}; not published`,
  }[source];
  const width = cli.terminal.outIsTty ? cli.terminal.width() : Infinity;
  return [
    ...planLines({ plan, digest: planDigest }, cli.terminal.out, width),
    "",
    `  source    ${since}`,
    `  manifest  ${manifestDigest}`,
    ...(versions.length === 0 ? [] : [`  versions  ${versions.map(({ version }) => version).join(", ")}`]),
  ];
}
