import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { openSqlite } from "../store/sqlite.ts";
import { taskTypes } from "../task/catalogue.ts";
import type { FolderChange } from "./folder.ts";
import { FolderWatch } from "./watch-folder.ts";

function manifest(name: string): string {
  return `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: test, name: ${name}, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  license: internal
  budget: { wall: 5m }
  tasks:
    one: { uses: noop@1, with: { value: 1 } }
`;
}

it("a watched folder is brought up to date by itself, also folders that come later, until it is closed", async () => {
  const dir = mkdtempSync(join(tmpdir(), "maestro-watch-"));
  const store = await openSqlite({ path: join(dir, "data/maestro.db") });
  const books = join(dir, "books");
  mkdirSync(books);
  writeFileSync(join(books, "a.maestro.yaml"), manifest("a"));
  const changes: FolderChange[] = [];
  let told = Promise.withResolvers<void>();
  const watch = await FolderWatch.open({
    path: books,
    shown: "books",
    env: {
      store,
      descriptions: new Map([...taskTypes()].map(([name, type]) => [name, type.description] as const)),
      now: () => Date.now(),
    },
    changed(change) {
      changes.push(change);
      told.resolve();
    },
    now: () => Date.now(),
    failed: (error) => assert.ifError(error),
  });
  // The timers of a watch do not hold a process; a test has to.
  const hold = setInterval(() => undefined, 60_000);
  try {
    assert.deepEqual(
      watch.view.files.map(({ file }) => file),
      ["books/a.maestro.yaml"],
    );
    for (const file of ["b.maestro.yaml", "later/c.maestro.yaml"]) {
      told = Promise.withResolvers();
      mkdirSync(join(books, "later"), { recursive: true });
      writeFileSync(join(books, file), manifest(file.replace(/.*\/|\..*/g, "")));
      await told.promise;
      const last = changes.at(-1);
      assert.ok(last?.kind === "loaded" && last.file === `books/${file}`, JSON.stringify(last));
    }
    told = Promise.withResolvers();
    rmSync(join(books, "later"), { recursive: true });
    await told.promise;
    assert.equal(changes.at(-1)?.kind, "removed");
  } finally {
    clearInterval(hold);
    await watch.close();
    await store.close();
    rmSync(dir, { recursive: true });
  }
});
