import { copyFile, lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import { constants } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { MaestroError } from "../../core/problem.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { projectFiles } from "../new-project.ts";
import { isData, printLines, printList, printObject } from "../output.ts";
import { asCopied, shippedRunbook, shippedRunbooks } from "../shipped-runbooks.ts";
import type { ShippedRunbook } from "../shipped-runbooks.ts";
import { ask } from "../terminal/ask.ts";

/** One file to make, and how. */
interface NewFile {
  /** In the folder. */
  readonly path: string;
  write(to: string, flag: "w" | "wx"): Promise<void>;
}

interface Project {
  readonly dir: string;
  readonly manifest: string;
  readonly files: readonly NewFile[];
  /** What to do next, as command lines with what they do. */
  readonly next: readonly (readonly [line: string, meaning: string])[];
}

export async function run(cli: Cli, input: Input): Promise<number> {
  if (input.flag("list") === true) return listShipped(cli);
  const project = await chooseProject(cli, input);
  const dir = resolve(cli.cwd, project.dir);
  const taken = await thoseThere(dir, project.files);
  if (taken.length > 0 && input.flag("force") !== true) {
    throw new MaestroError(
      "conflict",
      `${taken.join(", ")} in ${project.dir} would be overwritten; nothing was written.`,
      {
        facts: { folder: dir, files: taken },
        fix: "Choose another folder, or say --force to overwrite exactly these files.",
      },
    );
  }
  await mkdir(dir, { recursive: true });
  for (const file of project.files) {
    const to = join(dir, file.path);
    await mkdir(dirname(to), { recursive: true });
    await file.write(to, taken.includes(file.path) ? "w" : "wx");
    cli.terminal.say(`${taken.includes(file.path) ? "overwrote" : "wrote"} ${join(project.dir, file.path)}`);
  }
  await ignoreData(cli, dir, project.dir);
  await keepDataHere(cli, dir, project.dir);
  const files = project.files.map(({ path }) => path);
  if (isData(cli))
    await printObject(cli, {
      apiVersion: "maestro/v1",
      kind: "Project",
      folder: dir,
      manifest: project.manifest,
      files,
    });
  else if (cli.output === "name") await printLines(cli, [join(project.dir, project.manifest)]);
  sayNext(cli, project, dir);
  return 0;
}

async function chooseProject(cli: Cli, input: Input): Promise<Project> {
  const given = { name: input.text("name"), namespace: input.text("namespace"), from: input.text("from") };
  if (given.from !== undefined && (given.name !== undefined || given.namespace !== undefined))
    throw usage("--from copies a runbook with its own name; leave out --name and --namespace.");
  if (given.from !== undefined)
    return shippedProject(await shippedRunbook(given.from), input.optionalArg("dir") ?? given.from);
  const dir = input.optionalArg("dir") ?? ".";
  const suggested = slug(basename(resolve(cli.cwd, dir)));
  const asks = cli.terminal.interactive && given.name === undefined && given.namespace === undefined;
  const name = given.name ?? (asks ? await askFor("name of the runbook", "hello") : "hello");
  const namespace = given.namespace ?? (asks ? await askFor("namespace, such as a team", suggested) : suggested);
  for (const [what, value] of [["name", name] as const, ["namespace", namespace] as const])
    if (!NAME.test(value))
      throw usage(
        `--${what} takes small letters, digits and "-" between them, at most 63, not ${JSON.stringify(value)}.`,
      );
  const texts = Object.entries(projectFiles({ namespace, name }));
  const manifest = `${name}.maestro.yaml`;
  return {
    dir,
    manifest,
    files: texts.map(([path, text]) => ({ path, write: (to, flag) => writeFile(to, text, { flag }) })),
    next: [
      [`maestro run ${manifest} -f inputs.yaml`, "run it"],
      ["maestro up .", "keep an engine at work that follows your edits"],
      ["maestro help expressions", "what can stand in a manifest"],
    ],
  };
}

/** As namespaces and names of runbooks are. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function shippedProject(shipped: ShippedRunbook, dir: string): Project {
  return {
    dir,
    manifest: shipped.manifest,
    files: shipped.files.map((path) => ({
      path,
      write: async (to, flag) => {
        const from = join(shipped.folder, path);
        if (!/\.(md|yaml)$/.test(path)) return copyFile(from, to, flag === "wx" ? constants.COPYFILE_EXCL : 0);
        return writeFile(to, asCopied(await readFile(from, "utf8"), shipped), { flag });
      },
    })),
    next: [
      [`maestro plan ${shipped.manifest}`, "its inputs, and what a run would ask, touch and spend"],
      [
        shipped.files.includes("README.md") ? "less README.md" : `maestro lint ${shipped.manifest}`,
        "what it shows, and how it is run",
      ],
    ],
  };
}

async function askFor(what: string, preset: string): Promise<string> {
  return (await ask(`${what} [${preset}]: `)).trim() || preset;
}

function slug(text: string): string {
  const found = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, "");
  return found === "" ? "default" : found;
}

async function thoseThere(dir: string, files: readonly NewFile[]): Promise<readonly string[]> {
  const there: string[] = [];
  for (const { path } of files) {
    // A link that leads nowhere is there too.
    const found = await lstat(join(dir, path)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw error;
    });
    if (found !== undefined) there.push(path);
  }
  return there;
}

/** Adds the data directory to .gitignore, and leaves alone what stands there. */
async function ignoreData(cli: Cli, dir: string, shown: string): Promise<void> {
  const path = join(dir, ".gitignore");
  const before = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (before?.split(/\r?\n/).some((line) => /^\/?\.maestro\/?$/.test(line.trim())) === true) return;
  const gap = before === undefined || before === "" || before.endsWith("\n") ? "" : "\n";
  await writeFile(path, `${gap}.maestro/\n`, { flag: "a" });
  cli.terminal.say(`${before === undefined ? "wrote" : "added .maestro/ to"} ${join(shown, ".gitignore")}`);
}

/** Commands in a folder with a .maestro folder work on it; so the runs of a project are kept apart. */
async function keepDataHere(cli: Cli, dir: string, shown: string): Promise<void> {
  const made = await mkdir(join(dir, ".maestro"), { recursive: true, mode: 0o700 });
  if (made !== undefined) cli.terminal.say(`made ${join(shown, ".maestro")}, for the runs of this project`);
}

function sayNext(cli: Cli, { next }: Project, dir: string): void {
  const there = relative(cli.cwd, dir);
  const lines = [...(there === "" ? [] : [[`cd ${there}`, ""] as const]), ...next];
  const width = Math.max(...lines.map(([line]) => line.length));
  cli.terminal.say(
    `\nNext:\n${lines.map(([line, meaning]) => `  ${meaning === "" ? line : `${line.padEnd(width)}  # ${meaning}`}`).join("\n")}`,
  );
}

async function listShipped(cli: Cli): Promise<number> {
  const all = (await shippedRunbooks()).map(({ name, description, manifest }) => ({ name, description, manifest }));
  await printList(cli, {
    columns: [
      { head: "RUNBOOK", value: ({ name }: (typeof all)[number]) => name },
      { head: "WHAT IT DOES", value: ({ description }: (typeof all)[number]) => description, flexible: true },
    ],
    rows: all,
    name: ({ name }) => name,
    answer: { apiVersion: "maestro/v1", kind: "ShippedRunbookList", runbooks: all },
    member: "runbooks",
    empty: "No runbooks come with this installation.",
  });
  return 0;
}
