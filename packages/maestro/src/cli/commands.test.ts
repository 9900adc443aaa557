import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { cliPage, cliPath } from "../../../../scripts/generate-cli-docs.ts";
import { COMMANDS } from "./commands.ts";
import { parse } from "./program.ts";
import { GLOBAL_OPTIONS } from "./spec.ts";

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
