import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { assertSigned, receiver } from "../../test/support/receiver.ts";
import { openChannels, readChannels } from "./channels.ts";
import type { Channel } from "./notices.ts";
import { NOTICE_LIMITS, Notices } from "./notices.ts";

const KEY = Buffer.alloc(32, 7).toString("base64");

describe("notices of a policy", () => {
  let folder = "";
  let ids = 0;
  const failures: string[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "maestro-notices-"));
    failures.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const open = (...channels: readonly Channel[]): Notices =>
    new Notices({
      channels: new Map(channels.map((one) => [one.name, one])),
      spool: join(folder, "notices"),
      source: "urn:test",
      now: () => 1_000_000,
      newId: () => `n_${(ids += 1)}`,
      failed: ({ channel, why }) => failures.push(`${channel}: ${why}`),
      pauseMs: () => 0,
    });
  const spooled = (): readonly string[] => readdirSync(join(folder, "notices"));
  /** Until what is under way, and what follows from it, is over. */
  const settled = async (notices: Notices): Promise<void> => {
    while (notices.waiting > 0) {
      await notices.quiet();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  it("come to a webhook as signed events, once for each of its channels", async () => {
    await using hook = await receiver();
    const settings = { hook: { webhook: `${hook.url}/policy`, key: { env: "KEY" } } };
    const environment = (name: string): string | undefined => (name === "KEY" ? KEY : undefined);
    const channels = openChannels(settings, { dataDir: folder, now: () => Date.now(), environment });
    const notices = open(...channels.values());
    notices.send(["hook", "hook"], "policy.notice", { rule: "careful" });
    await settled(notices);
    assert.equal(hook.seen.length, 1);
    const [seen] = hook.seen;
    assert.ok(seen !== undefined);
    assertSigned(seen, KEY);
    assert.equal(seen.headers["content-type"], "application/cloudevents+json");
    const event = JSON.parse(seen.body) as Readonly<Record<string, unknown>>;
    assert.deepEqual(
      [event["specversion"], event["type"], event["data"]],
      ["1.0", "dev.summit-maestro.policy.notice", { rule: "careful" }],
    );
    assert.equal(event["id"], seen.headers["webhook-id"]);
    assert.deepEqual(failures, []);
  });

  it("are tried again under the same id until they arrive, and given up aloud when they never do", async () => {
    let refusals = 3;
    await using hook = await receiver((response) => response.writeHead(refusals-- > 0 ? 503 : 204).end());
    const parts = { dataDir: folder, now: () => Date.now(), environment: () => KEY };
    const channels = openChannels({ hook: { webhook: hook.url, key: { env: "KEY" } } }, parts);
    const notices = open(...channels.values());
    notices.send(["hook"], "policy.notice", {});
    await settled(notices);
    assert.equal(hook.seen.length, 4);
    assert.equal(new Set(hook.seen.map(({ headers }) => headers["webhook-id"])).size, 1);
    refusals = Infinity;
    notices.send(["hook"], "policy.notice", {});
    await settled(notices);
    assert.equal(hook.seen.length, 4 + NOTICE_LIMITS.tries);
    assert.deepEqual(failures, [`hook: ${hook.url}/…: it answered with status 503`]);
    assert.deepEqual(spooled(), []);
  });

  it("that were not delivered when an engine died are delivered by the next", async () => {
    const dead: Channel = {
      name: "hook",
      shown: "hook",
      deliver: async () => Promise.reject(new Error("nobody there")),
    };
    const first = open(dead);
    first.send(["hook"], "policy.notice", { n: 1 });
    await first.close();
    assert.equal(spooled().length, 1);
    const arrived: string[] = [];
    const next = open({ ...dead, deliver: async ({ text }) => void arrived.push(text) });
    next.resume();
    await settled(next);
    assert.match(arrived.join(), /"data":\{"n":1\}/);
    assert.deepEqual(spooled(), []);
  });

  it("that lie there damaged, or for a channel that is gone, are told and hold up no other", async () => {
    mkdirSync(join(folder, "notices"));
    writeFileSync(join(folder, "notices/n_1.hook.json"), "{");
    writeFileSync(join(folder, "notices/n_2.gone.json"), '{"id":"n_2","channel":"gone","text":"{}"}');
    writeFileSync(join(folder, "notices/n_3.hook.json"), '{"id":"n_3","channel":"hook","text":"{}"}');
    const arrived: string[] = [];
    const notices = open({ name: "hook", shown: "hook", deliver: async ({ id }) => void arrived.push(id) });
    notices.resume();
    await settled(notices);
    assert.deepEqual(arrived, ["n_3"]);
    assert.deepEqual(failures, [
      ": what was kept of it on disk cannot be read",
      "gone: the channel gone is not configured any more",
    ]);
  });

  it("beyond so many that wait are told to have no room", async () => {
    let free: () => void = () => undefined;
    const blocked = new Promise<void>((resolve) => (free = resolve));
    const notices = open({ name: "hook", shown: "hook", deliver: async () => blocked });
    for (let i = 0; i <= NOTICE_LIMITS.waiting; i++) notices.send(["hook"], "policy.notice", {});
    assert.deepEqual(failures, [`hook: ${NOTICE_LIMITS.waiting} notices wait to be delivered already`]);
    free();
    await settled(notices);
  });

  it("go to channels that are written down rightly, and never to a program", () => {
    const faults: string[] = [];
    const settings = readChannels(
      {
        good: { webhook: "https://hooks.example/x", key: { file: "k" } },
        journal: { file: "a.jsonl" },
        Bad: { file: "b" },
        run: { command: "mail root", file: "c" },
        both: { webhook: "https://hooks.example", file: "d" },
        open: { webhook: "https://hooks.example" },
        odd: { webhook: "ftp://hooks.example", key: { env: "K" } },
        secret: { webhook: "https://hooks.example", key: { value: "s3cret" } },
        text: "security",
      },
      faults,
    );
    assert.deepEqual(Object.keys(settings).slice(0, 2), ["good", "journal"]);
    for (const said of [
      /notify\.Bad is no name/,
      /notify\.run\.command: a notice starts no program; use a webhook or a file/,
      /notify\.both has either a webhook or a file/,
      /notify\.open\.key says where the key of the signature is/,
      /notify\.odd\.webhook: /,
      /notify\.secret\.key says where/,
      /notify\.text is not a mapping/,
    ])
      assert.ok(
        faults.some((one) => said.test(one)),
        `${said}\n${faults.join("\n")}`,
      );
    assert.ok(!faults.join().includes("s3cret"));
  });
});
