import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { Place } from "../support/maestro.ts";
import type { Started } from "../support/maestro.ts";

// A real server on a folder that is edited while runs are in flight, as a person would do it.

function manifest(word: string, version = "1.0.0"): string {
  return `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: hello, version: ${version} }
spec:
  type: demo
  purposes: [test]
  license: internal
  budget: { wall: 5m }
  tasks:
    hold: { uses: wait@1, with: { signal: go } }
    say: { uses: noop@1, needs: [hold], with: { value: ${word} } }
  outputs: { said: "\${{ tasks.say.output }}" }
`;
}

describe("hot reload", async () => {
  const place = await Place.make();
  const books = join(place.dir, "books");
  mkdirSync(books);
  const write = (text: string, name = "hello.maestro.yaml"): void => writeFileSync(join(books, name), text);
  let up: Started;
  after(() => place.remove());

  async function start(): Promise<string> {
    const { code, out, err } = await place.run(["run", "hello", "--detach", "-o", "name"]);
    assert.equal(code, 0, err);
    return out.trim();
  }
  async function finish(run: string): Promise<string> {
    await place.run(["signal", run, "go"]);
    const watched = await place.run(["watch", run, "-o", "json"]);
    assert.equal(watched.code, 0, watched.err);
    return String((JSON.parse(watched.out) as { outputs: { said: unknown } }).outputs.said);
  }
  /** When the server has said that about the file since `from`. */
  async function told(pattern: string, from: number): Promise<void> {
    await up.shows(new RegExp(`[^]{${from}}[^]*${pattern}`));
  }

  it("takes an edit without a new version for new runs, and leaves a run that is in flight what it was", async () => {
    write(manifest("first"));
    up = place.start(["up", "books", "--no-listen"]);
    await up.shows(/books\/hello\.maestro\.yaml: shop\/hello@1\.0\.0 is what new runs follow/);
    await up.shows(/is up: process/);
    const inFlight = await start();
    let from = up.err.length;
    write(manifest("second"));
    await told("shop/hello@1\\.0\\.0 is what new runs follow", from);
    const edited = await start();

    from = up.err.length;
    write(manifest("third").replace("noop@1", "nop@1"));
    await told("books/hello\\.maestro\\.yaml is broken; new runs follow the last good version of shop/hello@1", from);
    assert.match(up.err, /books\/hello\.maestro\.yaml:11:18: error\[WF\d+\] there is no task type `nop`/);
    const whileBroken = await start();
    const listed = await place.run(["catalog", "list", "-o", "json"]);
    const [row] = (JSON.parse(listed.out) as { workflows: { problem: { message: string } | null }[] }).workflows;
    assert.match(row?.problem?.message ?? "", /^books\/hello\.maestro\.yaml:11:18: there is no task type `nop`$/);

    from = up.err.length;
    // As careful editors do: beside, then put in its place.
    write(manifest("fourth"), "hello.maestro.yaml.tmp");
    renameSync(join(books, "hello.maestro.yaml.tmp"), join(books, "hello.maestro.yaml"));
    await told("shop/hello@1\\.0\\.0 is what new runs follow", from);
    const mended = await start();
    assert.deepEqual(
      [await finish(inFlight), await finish(edited), await finish(whileBroken), await finish(mended)],
      ["first", "second", "second", "fourth"],
    );
  });

  it("runs a published version by its version, whatever the file says now, and forgets a file that is gone", async () => {
    write(manifest("published"));
    await told("shop/hello@1\\.0\\.0 is what new runs follow", up.err.length);
    const published = await place.run(["catalog", "publish", "books/hello.maestro.yaml"]);
    assert.equal(published.code, 0, published.err);
    let from = up.err.length;
    write(manifest("edited"));
    await told("shop/hello@1\\.0\\.0 is what new runs follow", from);
    const exact = await place.run(["run", "hello@1.0.0", "--detach", "-o", "name"]);
    assert.deepEqual([await finish(exact.out.trim()), await finish(await start())], ["published", "edited"]);
    const again = await place.run(["catalog", "publish", "books/hello.maestro.yaml"]);
    assert.equal(again.code, 6, again.err);
    assert.match(again.err, /shop\/hello@1\.0\.0 was published already: with another content/);
    from = up.err.length;
    rmSync(join(books, "hello.maestro.yaml"));
    await told("hello\\.maestro\\.yaml is gone, and shop/hello@1\\.0\\.0 with it; runs go on", from);
    assert.equal(await finish(await start()), "published");
    up.child.kill("SIGTERM");
    assert.equal((await up.ended).code, 0);
  });

  it("refuses a folder that is none", async () => {
    write(manifest("x"));
    const file = await place.run(["up", "books/hello.maestro.yaml"]);
    assert.deepEqual([file.code, /is a file; `maestro up` watches a folder/.test(file.err)], [2, true]);
    const gone = await place.run(["up", "nowhere"]);
    assert.deepEqual([gone.code, /The folder nowhere cannot be watched: ENOENT/.test(gone.err)], [5, true]);
  });
});
