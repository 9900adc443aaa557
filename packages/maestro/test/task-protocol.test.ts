import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { taskProtocolFiles, taskProtocolPage } from "../../../scripts/generate-task-protocol.ts";
import { readMessage } from "../src/task/external-message.ts";
import { TASK_PROTOCOL_SCHEMA } from "../src/task/external-protocol.ts";
import { compileSchema } from "../src/task/json-schema.ts";
import { blocksOf } from "./support/pages.ts";

const check = compileSchema(TASK_PROTOCOL_SCHEMA);

describe("the task protocol as it is published", () => {
  it("has the schema and the page of the code: npm run docs", () => {
    for (const [path, content] of taskProtocolFiles()) assert.equal(readFileSync(path, "utf8"), content, path);
  });

  it("shows messages that fit its schema, and no others", () => {
    const messages = blocksOf(readFileSync(taskProtocolPage, "utf8"))
      .filter(({ language }) => language === "json")
      .flatMap(({ text }) => text.trim().split("\n"));
    assert.ok(messages.length >= 8);
    for (const message of messages) assert.deepEqual(check(JSON.parse(message)), [], message);
    assert.notDeepEqual(check({ type: "result", id: "a1" }), []);
    assert.notDeepEqual(check({ type: "nothing" }), []);
  });

  it("names in a refusal what was wrong, whose it was and what is known", () => {
    const refused: readonly (readonly [string, string, RegExp])[] = [
      ["hello", "PROTOCOL", /is not JSON .*: hello\. Only messages go to stdout/],
      ["[1]", "PROTOCOL", /is not a message, a JSON object with a type: \[1\]/],
      ['{"type":7}', "PROTOCOL", /has the type 7; a program says hello, description/],
      [
        '{"type":"result","id":"a1"}',
        "PROTOCOL",
        /its result message is not well-formed: it lacks the property "output"/,
      ],
      ['{"type":"result","id":"a b","output":1}', "PROTOCOL", /id must match pattern/],
      [
        '{"type":"emit","id":"a1","event":{"kind":"heartbeet"}}',
        "PROTOCOL",
        /event has the kind "heartbeet"; there are log/,
      ],
      ['{"type":"emit","id":"a1","event":{"kind":"log"}}', "PROTOCOL", /event it lacks the property "text"/],
      ['{"type":"emit","id":"a1","event":{"kind":"progress","done":-1}}', "PROTOCOL", /event done must be >= 0/],
      ['{"type":"emit","id":"a1"}', "PROTOCOL", /event must be an object/],
      ['{"type":"failure","id":"a1","error":{"code":"DENIED","message":"x"}}', "PROTOCOL", /error\/code/],
      [
        '{"type":"failure","id":"a1","error":{"code":"lower","message":"x"}}',
        "PROTOCOL",
        /error\/code must match pattern/,
      ],
      ['{"type":"hello","protocol":1,"concurrency":1000}', "PROTOCOL", /concurrency must be <= 256/],
    ];
    for (const [line, code, words] of refused)
      assert.throws(() => readMessage(line), { name: "Breach", code, message: words }, line);
    assert.throws(() => readMessage('{"type":"result","id":"a7"}'), { id: "a7" });
  });
});
