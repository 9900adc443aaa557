import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "../src/core/json.ts";
import { compileSchema } from "../src/task/json-schema.ts";
import { notifyDescription } from "../src/task/notify-description.ts";
import { openExternal } from "./support/external.ts";
import { need } from "./support/need.ts";

const TYPESCRIPT = fileURLToPath(new URL("../../sdk/examples/notify-file.ts", import.meta.url));
const PYTHON = fileURLToPath(new URL("../../../sdks/python", import.meta.url));

const TOLD: JsonObject = {
  title: "shop 1.4.0 is live",
  text: "Checked by ops & friends\non two lines",
  severity: "success",
  fields: [
    { name: "Region", value: "eu" },
    { name: "Hosts", value: 3 },
  ],
  link: { title: "Dashboard", url: "https://shop.example.com/?a=1&b=2" },
};

/** What no notifier takes. */
const REFUSED: readonly (readonly [notification: JsonObject, words: RegExp])[] = [
  [{ text: "without a title" }, /notification lacks the property "title"/],
  [{ title: "two\nlines" }, /notification\/title must match pattern/],
  [{ title: "a", severity: "urgent" }, /notification\/severity must be/],
  [{ title: "a", link: { url: "javascript:alert(1)" } }, /notification\/link\/url must match pattern/],
  [{ title: "a", colour: "red" }, /notification has the unknown property "colour"/],
];

for (const [language, name, needed] of [
  ["TypeScript", "notify-file@1", {}],
  ["Python", "notify-file-py@1", need("python3")],
] as const) {
  describe(`a notifier of one's own, in ${language}`, needed, () => {
    it("takes what notify@1 takes, refuses what notify@1 refuses, and is asked for its effect", async () => {
      const place = await openExternal();
      try {
        const folder = join(place.dataDir, "notifier");
        mkdirSync(folder);
        if (language === "Python") {
          cpSync(join(PYTHON, "maestro_task"), join(folder, "maestro_task"), { recursive: true });
          cpSync(join(PYTHON, "examples", "notify_file.py"), join(folder, "notify"));
        } else cpSync(TYPESCRIPT, join(folder, "notify.ts"));
        const description = await place.external.add(join(folder, language === "Python" ? "notify" : "notify.ts"), []);
        assert.deepEqual(description.effects, ["write"], "the gate is asked for it");

        const done = await place.attempt(name, { file: "news.txt", notification: TOLD });
        assert.ok(done.ok, JSON.stringify(done));
        const line = "SUCCESS shop 1.4.0 is live Region=eu Hosts=3\n";
        assert.deepEqual(done.output, { bytes: line.length });
        assert.equal(readFileSync(join(place.dataDir, "base", "news.txt"), "utf8"), line);

        const builtIn = compileSchema(notifyDescription.input);
        const to = { email: { from: "a@example.com", to: ["b@example.com"], smtp: { host: "mail.example.com" } } };
        assert.deepEqual(
          builtIn({ notification: TOLD, to }).filter(({ path }) => path.startsWith("/notification")),
          [],
        );
        for (const [notification, words] of REFUSED) {
          assert.ok(builtIn({ notification, to }).some(({ path }) => path.startsWith("/notification")));
          const refused = await place.attempt(name, { file: "news.txt", notification });
          assert.ok(!refused.ok);
          assert.equal(refused.error.code, "INPUT_INVALID");
          assert.match(refused.error.message, words);
        }
      } finally {
        await place.close();
      }
    });
  });
}
