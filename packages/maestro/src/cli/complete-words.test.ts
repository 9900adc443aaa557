import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { COMMANDS } from "./commands.ts";
import { TOPIC_NAMES, wantedAt } from "./complete-words.ts";
import { TOPICS } from "./topics.ts";

const at = (line: string) => wantedAt(line.split(" "), COMMANDS);
const words = (line: string): readonly string[] => at(line).candidates.map(({ word }) => word);

describe("what can stand at a place of the command line", () => {
  it("is every first word of the table, with what it means, and what was begun", () => {
    const first = new Set(COMMANDS.map(({ name }) => name.split(" ")[0]));
    assert.deepEqual(new Set(words("")), first);
    assert.deepEqual(words("recei"), ["receipt"]);
    assert.ok(at("").candidates.every(({ about }) => about !== ""));
    assert.deepEqual(words("catalog "), ["publish", "list", "show", "diff"]);
    assert.deepEqual(words("catalog s"), ["show"]);
    assert.deepEqual(words("nonsense "), []);
  });

  it("is the options of this very command and of all, each once, and many as often as one likes", () => {
    assert.ok(words("run --").includes("--purpose") && words("run --").includes("--data"));
    assert.deepEqual(words("run --purpose x --purp"), []);
    assert.deepEqual(words("run --label a=b --lab"), ["--label"]);
    assert.deepEqual(words("runs --no-wai"), []);
    assert.deepEqual(words("watch x --no-wai"), ["--no-wait"]);
    assert.deepEqual(words("run -- --purp"), []);
  });

  it("is a value where an option wants one, in both spellings", () => {
    assert.deepEqual(words("lint --format "), ["human", "json", "sarif", "github", "gitlab"]);
    assert.deepEqual(words("lint --format=s"), ["--format=sarif"]);
    assert.deepEqual(words("plan x -o "), ["tree", "json", "yaml", "dot", "name"]);
    assert.deepEqual(words("runs --status fa"), ["failed"]);
    assert.deepEqual(words("run --purpose "), []);
    assert.deepEqual(
      [at("run -f ").kinds, at("show x --save ").kinds, at("--data ").kinds],
      [["file"], ["folder"], ["folder"]],
    );
    assert.deepEqual(at("run --inputs=a").head, "--inputs=");
    assert.deepEqual(at("run --inputs=a").typed, "a");
  });

  it("is the kind of name that an argument wants, also after options with values", () => {
    assert.deepEqual(words("show "), ["@last", "@failed"]);
    assert.deepEqual([at("show ").kinds, at("logs x ").kinds, at("run ").kinds], [["run"], [], ["workflow", "file"]]);
    assert.deepEqual(at("--data d show --watch ").kinds, ["run"]);
    assert.deepEqual(at("--data d show ").options, { data: "d" });
    assert.deepEqual(at("approve ").kinds, ["approval"]);
    assert.deepEqual([at("catalog show ").kinds, at("task show ").kinds], [["workflow"], ["task"]]);
    assert.deepEqual(at("verify a b ").kinds, ["file"]);
    assert.deepEqual(at("show a ").kinds, []);
    assert.deepEqual(at("init --from ").kinds, ["shipped"]);
    assert.deepEqual(words("completion "), ["bash", "zsh", "fish", "pwsh"]);
    assert.ok(words("help ").includes("exit-codes") && words("help ").includes("catalog"));
  });

  it("knows the topics of help", () => assert.deepEqual([...TOPIC_NAMES], Object.keys(TOPICS)));
});
