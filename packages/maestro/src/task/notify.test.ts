import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { JsonObject } from "../core/json.ts";
import { assertSigned, receiver } from "../../test/support/receiver.ts";
import { workbench } from "../../test/support/run-task.ts";
import { compileSchema } from "./json-schema.ts";
import { NOTIFICATION_DOCUMENT } from "./notification.ts";
import { notify } from "./notify.ts";

const KEY = Buffer.from("a key of thirty-two bytes, exact").toString("base64");
const OLD = Buffer.from("the key that was used until now!").toString("base64");
const LOCAL = { allowPrivate: ["127.0.0.1"] };
const TOLD: JsonObject = {
  title: "shop 1.4.0 is live",
  text: "Checked by <ops> & friends",
  severity: "success",
  fields: [
    { name: "Region", value: "eu" },
    { name: "Hosts", value: 3 },
  ],
  link: { title: "Dashboard", url: "https://shop.example.com/?a=1&b=2" },
};

function to(url: string, more: JsonObject = {}): JsonObject {
  return { notification: TOLD, to: { webhook: { url, key: { env: "KEY" }, ...more } }, ...LOCAL };
}

describe("notify@1 by webhook", () => {
  it("sends what happened, signed, with the run and the step", async () => {
    await using server = await receiver();
    using bench = workbench({ environment: { KEY: `whsec_${KEY}` } });
    const output = (await bench.run(notify, to(`${server.url}/hook?token=x`))) as JsonObject;
    const [seen] = server.seen;
    assert.ok(seen !== undefined);
    assertSigned(seen, KEY);
    assert.deepEqual(
      [seen.method, seen.url, seen.headers["content-type"], seen.headers["webhook-id"]],
      ["POST", "/hook?token=x", "application/json", output["id"]],
    );
    const body = JSON.parse(seen.body) as { type: string; timestamp: string; data: JsonObject };
    assert.equal(body.type, "maestro.notification");
    assert.equal(new Date(body.timestamp).toISOString(), body.timestamp);
    const { run, ...told } = body.data;
    assert.deepEqual(told, TOLD);
    assert.deepEqual(compileSchema(NOTIFICATION_DOCUMENT)(told), []);
    assert.deepEqual(run, { id: "r_0123456789abcdefghj", namespace: "test", task: "subject" });
    assert.deepEqual({ ...output, id: "" }, { id: "", channel: "webhook", status: 204 });
    assert.ok(!JSON.stringify([output, bench.events]).includes("token=x"), "the query is told nowhere");
  });

  it("has one id for all attempts of a step, and another for another message", async () => {
    await using server = await receiver();
    using bench = workbench({ environment: { KEY } });
    const ids: unknown[] = [];
    for (const title of ["a", "a", "b"])
      ids.push(((await bench.run(notify, { ...to(server.url), notification: { title } })) as JsonObject)["id"]);
    assert.equal(ids[0], ids[1]);
    assert.notEqual(ids[0], ids[2]);
    assert.match(String(ids[0]), /^[0-9a-f]{32}$/);
  });

  it("signs with two keys while receivers change over", async () => {
    await using server = await receiver();
    using bench = workbench({ environment: { KEY, OLD } });
    await bench.run(notify, to(server.url, { previousKey: { env: "OLD" } }));
    const [seen] = server.seen;
    assert.ok(seen !== undefined);
    assertSigned(seen, KEY);
    assertSigned(seen, OLD);
    assert.throws(() => assertSigned({ ...seen, body: `${seen.body} ` }, KEY), /no signature/);
  });

  it("reads address and key from files, and never shows them", async () => {
    await using server = await receiver((response) => response.writeHead(500).end("no luck"));
    using bench = workbench();
    writeFileSync(join(bench.base, "key"), `${KEY}\n`);
    writeFileSync(join(bench.base, "url"), `${server.url}/secret-path\n`);
    const input = { ...to(server.url), to: { webhook: { url: { file: "url" }, key: { file: "key" } } } };
    const failure = await bench.fail(notify, input);
    assert.equal(server.seen[0]?.url, "/secret-path");
    assert.ok(!JSON.stringify([failure.error, bench.events]).includes("secret-path"));
    assert.equal(failure.error.message, `${server.url}/… answered 500. It said: no luck. It may take it later.`);
  });

  it("tells what may work later from what will not", async () => {
    let status = 200;
    await using server = await receiver((response) =>
      response.writeHead(status, { "retry-after": "7", location: "/elsewhere" }).end("why not"),
    );
    using bench = workbench({ environment: { KEY } });
    for (const again of [408, 425, 429, 500, 502, 503, 504]) {
      status = again;
      const { error } = await bench.fail(notify, to(server.url));
      assert.deepEqual(
        [error.code, error.final, error.details],
        ["NOTIFY_UNREACHABLE", undefined, { status, retryAfter: "7" }],
      );
    }
    for (const [never, advice] of [
      [302, /Redirects are not followed/],
      [400, /Check its address, its key/],
      [401, /It said: why not/],
      [410, /gone for good/],
    ] as const) {
      status = never;
      const { error } = await bench.fail(notify, to(server.url));
      assert.deepEqual([error.code, error.final], ["NOTIFY_REJECTED", true]);
      assert.match(error.message, advice);
    }
    assert.equal(server.seen.length, 11, "no redirect was followed");
  });

  it("cuts off a receiver that hangs, before the answer or within it", async () => {
    for (const begin of [false, true]) {
      await using server = await receiver((response) => {
        if (begin) response.writeHead(200).write("so far");
      });
      using bench = workbench({ environment: { KEY } });
      const { error } = await bench.fail(notify, { ...to(server.url), timeoutMs: 150 });
      assert.equal(error.code, "TIMEOUT");
      assert.match(error.message, /did not answer within 150 ms. It may have taken the message all the same/);
      assert.equal(error.final, undefined);
    }
  });

  it("stops when the attempt is called off", async () => {
    await using server = await receiver(() => bench.abort.abort(new Error("cancelled")));
    using bench = workbench({ environment: { KEY } });
    await assert.rejects(bench.run(notify, to(server.url)), /cancelled/);
  });

  it("takes no more of an answer than it needs", async () => {
    await using server = await receiver((response) => response.writeHead(200).end("x".repeat(1_000_000)));
    using bench = workbench({ environment: { KEY } });
    assert.equal(((await bench.run(notify, to(server.url))) as JsonObject)["status"], 200);
  });

  it("calls nothing private unasked, and says when nobody is there", async () => {
    using bench = workbench({ environment: { KEY, URL: "http://127.0.0.1:1/x", BAD: "ftp://x" } });
    const nobody = await bench.fail(notify, to("http://127.0.0.1:1/"));
    assert.deepEqual([nobody.error.code, nobody.error.final], ["NOTIFY_UNREACHABLE", undefined]);
    assert.match(nobody.error.message, /did not get through/);
    for (const url of ["http://127.0.0.1:1/", { env: "URL" }] as JsonObject[string][]) {
      const blocked = await bench.fail(notify, {
        ...to(""),
        to: { webhook: { url: url!, key: { env: "KEY" } } },
        allowPrivate: [],
      });
      assert.deepEqual([blocked.error.code, blocked.error.final], ["BLOCKED_ADDRESS", true]);
    }
    const bad = await bench.fail(notify, { ...to(""), to: { webhook: { url: { env: "BAD" }, key: { env: "KEY" } } } });
    assert.deepEqual([bad.error.code, bad.error.message.includes("ftp")], ["CREDENTIAL", false]);
  });

  it("refuses a key that is none, an address that is none and a header that is more than one line", async () => {
    using bench = workbench({ environment: { SHORT: "c2hvcnQ=", WORDS: "this is no base64 at all, not at all" } });
    for (const env of ["SHORT", "WORDS", "NONE"]) {
      const { error } = await bench.fail(notify, to("http://127.0.0.1/", { key: { env } }));
      assert.equal(error.code, "CREDENTIAL");
      assert.ok(error.message.includes(env));
    }
    const { error } = await bench.fail(notify, to("http://user:pass@127.0.0.1/"));
    assert.match(error.message, /to\.webhook\.url: .*holds a user name or password/);
    const check = compileSchema(notify.description.input);
    for (const wrong of [
      { ...to("http://a"), to: {} },
      { ...to("http://a"), to: { slack: { url: { env: "A" } }, teams: { url: { env: "A" } } } },
      { ...to("http://a"), to: { slack: { url: "https://hooks.example.com/secret" } } },
      { ...to("http://a"), notification: { title: "two\nlines" } },
      { ...to("http://a"), notification: { title: "x", link: { url: "javascript:alert(1)" } } },
    ] as JsonObject[])
      assert.notDeepEqual(check(wrong), [], JSON.stringify(wrong));
  });
});

describe("notify@1 in chats", () => {
  const nasty: JsonObject = {
    title: "<!channel> & <https://evil.example|click>",
    text: `${"<&>".repeat(1500)}\n[click](https://evil.example) <at>everybody</at>`,
    severity: "critical",
    fields: Array.from({ length: 20 }, (_, i) => ({ name: "&".repeat(100), value: i === 0 ? "<".repeat(1000) : i })),
    link: { url: "https://shop.example.com/" },
  };

  it("sends Slack blocks within its limits, in which text stays text", async () => {
    await using server = await receiver((response) => response.end("ok"));
    using bench = workbench({ environment: { SLACK: `${server.url}/services/T0/B0/secret` } });
    for (const notification of [TOLD, nasty, { title: "x".repeat(200) }])
      await bench.run(notify, { notification, to: { slack: { url: { env: "SLACK" } } }, ...LOCAL });
    assert.equal(server.seen[0]?.url, "/services/T0/B0/secret");
    const [plain, hard, long] = server.seen.map(({ body }) => JSON.parse(body) as SlackMessage);
    for (const message of [plain, hard, long]) assertSlack(message!);
    assert.deepEqual(
      plain!.blocks.map(({ type }) => type),
      ["header", "section", "section", "actions", "context"],
    );
    assert.equal(plain!.blocks[1]!.text!.text, "Checked by &lt;ops&gt; &amp; friends");
    assert.equal(plain!.blocks[2]!.fields![1]!.text, "*Hosts*\n3");
    assert.equal(plain!.blocks[4]!.elements![0]!.text, "Maestro · test · run r_0123456789abcdefghj · task subject");
    const sections = hard!.blocks.flatMap(({ text, type }) =>
      type === "section" && text !== undefined ? [text.text] : [],
    );
    assert.equal(
      sections.join("").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"),
      nasty["text"],
    );
    assert.equal(hard!.text, "🚨 &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;");
    assert.match(long!.blocks[0]!.text!.text, /^.{149}…$/u);
  });

  it("sends Teams an Adaptive Card, in which text stays text", async () => {
    await using server = await receiver((response) => response.writeHead(202).end());
    using bench = workbench({ environment: { TEAMS: `${server.url}/workflows/secret` } });
    const input = (notification: JsonObject): JsonObject => ({
      notification,
      to: { teams: { url: { env: "TEAMS" } } },
      ...LOCAL,
    });
    assert.equal(((await bench.run(notify, input(TOLD))) as JsonObject)["status"], 202);
    await bench.run(notify, input({ ...nasty, text: "ü\n".repeat(4000) }));
    const wide = Array.from({ length: 20 }, () => ({ name: "名".repeat(100), value: "値".repeat(1000) }));
    await bench.run(notify, input({ title: "名".repeat(200), text: "文".repeat(8000), fields: wide }));
    const messages = server.seen.map(({ body }) => JSON.parse(body) as TeamsMessage);
    for (const message of messages) assertTeams(message);
    const [plain] = messages;
    const lines = plain!.attachments[0]!.content.body.map(({ inlines }) => inlines.map(({ text }) => text).join(""));
    assert.deepEqual(lines, [
      "✅ shop 1.4.0 is live",
      "Checked by <ops> & friends",
      "Region: eu",
      "Hosts: 3",
      "Maestro · test · run r_0123456789abcdefghj · task subject",
    ]);
    assert.deepEqual(plain!.attachments[0]!.content.actions, [
      { type: "Action.OpenUrl", title: "Dashboard", url: "https://shop.example.com/?a=1&b=2" },
    ]);
    for (const { body } of server.seen)
      assert.ok(Buffer.byteLength(body) < 28 * 1024, `${Buffer.byteLength(body)} bytes`);
  });

  it("shows no more of an address that is a secret than its host", async () => {
    await using server = await receiver((response) => response.writeHead(404).end("no_service"));
    using bench = workbench({ environment: { SLACK: `${server.url}/services/T0/B0/secret` } });
    const { error } = await bench.fail(notify, {
      notification: TOLD,
      to: { slack: { url: { env: "SLACK" } } },
      ...LOCAL,
    });
    assert.equal(error.code, "NOTIFY_REJECTED");
    assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+\/… answered 404\. It said: no_service\. Check its address/);
    assert.ok(!JSON.stringify(bench.events).includes("services"));
  });
});

interface SlackText {
  readonly type: string;
  readonly text: string;
  readonly verbatim?: boolean;
}
interface SlackMessage {
  readonly text: string;
  readonly blocks: readonly {
    readonly type: string;
    readonly text?: SlackText;
    readonly fields?: readonly SlackText[];
    readonly elements?: readonly (SlackText & { readonly url?: string })[];
  }[];
}

/** The limits of the Block Kit reference, and no markup that came from a value. */
function assertSlack({ text, blocks }: SlackMessage): void {
  assert.ok(blocks.length <= 50);
  assert.doesNotMatch(text, /[<>]/);
  for (const block of blocks) {
    if (block.type === "header") {
      assert.equal(block.text!.type, "plain_text");
      assert.ok(block.text!.text.length <= 150);
      continue;
    }
    assert.ok((block.fields ?? []).length <= 10);
    const marked = [
      ...(block.text === undefined ? [] : [block.text]),
      ...(block.fields ?? []),
      ...(block.type === "context" ? block.elements! : []),
    ];
    for (const one of marked) {
      assert.deepEqual([one.type, one.verbatim], ["mrkdwn", true]);
      assert.doesNotMatch(one.text, /[<>]|&(?!amp;|lt;|gt;)/);
      assert.ok(
        one.text.length > 0 &&
          one.text.length <= (block.type === "section" && block.fields === undefined ? 3000 : 2000),
      );
    }
  }
}

interface TeamsMessage {
  readonly type: string;
  readonly attachments: readonly {
    readonly contentType: string;
    readonly content: {
      readonly type: string;
      readonly version: string;
      readonly body: readonly {
        readonly type: string;
        readonly inlines: readonly { readonly type: string; readonly text: string }[];
      }[];
      readonly actions?: readonly JsonObject[];
    };
  }[];
}

function assertTeams({ type, attachments }: TeamsMessage): void {
  assert.deepEqual([type, attachments.length], ["message", 1]);
  const { contentType, content } = attachments[0]!;
  assert.equal(contentType, "application/vnd.microsoft.card.adaptive");
  assert.deepEqual([content.type, content.version], ["AdaptiveCard", "1.4"]);
  for (const block of content.body) {
    assert.equal(block.type, "RichTextBlock");
    for (const run of block.inlines) assert.deepEqual([run.type, typeof run.text], ["TextRun", "string"]);
  }
}
