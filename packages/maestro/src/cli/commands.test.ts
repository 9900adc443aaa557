import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { cliPage, cliPath } from "../../../../scripts/generate-cli-docs.ts";
import { EXIT_CODES } from "../core/problem.ts";
import { COMMANDS } from "./commands.ts";
import { MANUAL } from "./manual.ts";
import { parse } from "./program.ts";
import { GLOBAL_OPTIONS } from "./spec.ts";
import { TOPICS } from "./topics.ts";

const GUIDES = new URL("../../../../docs/guides/", import.meta.url);

it("every exit code is on the page about them, and none besides", () => {
  const told = [...(TOPICS["exit-codes"]?.text ?? "").matchAll(/^ {2,4} ?(\d+) {2}/gm)].map(([, code]) => Number(code));
  const codes = new Set([0, 130, ...Object.values(EXIT_CODES)]);
  assert.deepEqual(
    told,
    [...codes].toSorted((a, b) => a - b),
  );
});

describe("the table of commands", () => {
  it("is the reference page: npm run docs", () => assert.equal(readFileSync(cliPath, "utf8"), cliPage()));

  for (const spec of COMMANDS) {
    describe(spec.name, () => {
      it("has a file that exports run", async () => assert.equal(typeof (await spec.load()).run, "function"));

      it("has help that begins with examples and names every option", async () => {
        const parsed = await parse([...spec.name.split(" "), "--help"], "0.0.0", 100);
        assert.ok(parsed.kind === "text");
        assert.match(parsed.text, /^Examples:\n {2}# /);
        for (const { flags } of [...spec.options, ...GLOBAL_OPTIONS]) assert.ok(parsed.text.includes(flags), flags);
      });

      it("says its exit codes and what to read next, and all of that is there", async () => {
        const { see, guide, exits } = MANUAL[spec.name] ?? assert.fail(`say in manual.ts what ${spec.name} ends with`);
        for (const name of see)
          assert.ok(
            name !== spec.name && (TOPICS[name] !== undefined || COMMANDS.some((one) => one.name === name)),
            name,
          );
        const codes = new Set([...Object.values(EXIT_CODES), 0, 130]);
        for (const code of Object.keys(exits)) assert.ok(codes.has(Number(code)), code);
        if (guide !== undefined) assert.ok(existsSync(new URL(`${guide}.md`, GUIDES)), guide);
        const parsed = await parse([...spec.name.split(" "), "--help"], "0.0.0", 100);
        assert.ok(parsed.kind === "text");
        assert.match(parsed.text, /\nExit codes:\n {2}0 {4}\w.*\n(?: {2}\d+ +\S.*\n)* {2}Any other error/);
        assert.match(parsed.text, /\nSee also: maestro help \w/);
      });

      it("has examples that parse", async () => {
        for (const [line] of spec.examples) {
          const words = wordsOf(line);
          assert.equal(words.shift(), "maestro");
          const parsed = await parse(words, "0.0.0", 100);
          assert.ok(parsed.kind === "command" && parsed.spec === spec, line);
        }
      });

      it("has options that do not clash", () => {
        const names = [...spec.options, ...GLOBAL_OPTIONS].flatMap(
          ({ flags }) => flags.match(/(?<![\w-])--?[\w-]+/g) ?? [],
        );
        assert.equal(new Set(names).size, names.length, names.join(" "));
      });
    });
  }

  it("has a manual of its commands and of no others", () => {
    assert.deepEqual(Object.keys(MANUAL).toSorted(), COMMANDS.map(({ name }) => name).toSorted());
  });

  it("says of each first word what it holds", async () => {
    for (const noun of new Set(
      COMMANDS.filter(({ name }) => name.includes(" ")).map(({ name }) => name.split(" ")[0] ?? ""),
    )) {
      const parsed = await parse([noun, "--help"], "", 80);
      assert.ok(parsed.kind === "text");
      assert.doesNotMatch(parsed.text, /undefined/, noun);
    }
  });

  it("tells what was typed from what was not, also for --no-x", async () => {
    for (const [flags, expected] of [
      [[], undefined],
      [["--no-wait"], false],
    ] as const) {
      const parsed = await parse(["watch", "x", ...flags], "", 80);
      assert.equal(parsed.kind === "command" ? parsed.input.flag("wait") : "text", expected);
    }
  });

  it("suggests what was meant", async () => {
    await assert.rejects(parse(["aprove", "x"], "", 80), {
      code: "invalid_request",
      message: /Unknown command 'aprove'\. Did you mean approve/,
    });
    await assert.rejects(parse(["runs", "--sttus", "x"], "", 80), {
      message: /Unknown option '--sttus'\. Did you mean --status/,
    });
    await assert.rejects(parse(["show"], "", 80), { message: /Missing required argument 'run'/ });
    await assert.rejects(parse(["show", "a", "b"], "", 80), { message: /Too many arguments/ });
    await assert.rejects(parse(["runs", "--limit"], "", 80), { message: /argument missing/ });
  });
});

/** Words of an example as a shell splits them: enough for quotes, and only up to a pipe or a redirection. */
function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
  const end = words.findIndex((word) => word === "|" || word === ">");
  return end === -1 ? words : words.slice(0, end);
}
