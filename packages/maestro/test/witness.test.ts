import assert from "node:assert/strict";
import { appendFileSync, chmodSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { WITNESS_LIMITS } from "../src/api/witness-server.ts";
import { endorsements, readNote, readNoteKey } from "../src/provenance/ledger/note.ts";
import type { NoteKey } from "../src/provenance/ledger/note.ts";
import { canonical } from "../src/core/canonical.ts";
import { leafDigest } from "../src/core/digest.ts";
import type { JsonObject } from "../src/core/json.ts";
import { consistencyProof, subtreeHash } from "../src/core/merkle.ts";
import { readCheckpoint } from "../src/provenance/ledger/checkpoint.ts";
import { writeSubmission } from "../src/provenance/witness/submission.ts";
import { Place } from "./support/maestro.ts";
import type { Started } from "./support/maestro.ts";

// A witness as a process of its own: what it answers to friends and strangers, and that no signal makes it forget.

const DYING = fileURLToPath(new URL("./support/dying-witness.ts", import.meta.url));

interface Up {
  readonly started: Started;
  readonly url: string;
}

describe("maestro witness", () => {
  let place: Place;
  let key: NoteKey;
  let url = "";
  let witness: Started;
  /** A real log: the control plane's own. */
  let checkpoint = "";
  const up = async (env: NodeJS.ProcessEnv = {}): Promise<Up> => {
    const started = place.start(["witness", "up", "--dir", "w", "--listen", "127.0.0.1:0"], env);
    await started.shows(/listens on http\S+/);
    return { started, url: /listens on (http:\S+)/.exec(started.err)?.[1] ?? "" };
  };
  const add = async (body: string | Uint8Array): Promise<Response> =>
    fetch(`${url}/add-checkpoint`, { method: "POST", body: Buffer.from(body) });
  before(async () => {
    place = await Place.make();
    const made = await place.run(["witness", "init", "witness.example/w1", "--dir", "w"]);
    assert.equal(made.code, 0, made.err);
    key = readNoteKey(made.out.trim());
    const keys = await place.run(["audit", "--key"]);
    assert.match(keys.out, /^summit-maestro\.dev\/installations\/[^\s+]+\+[0-9a-f]{8}\+\S+\n$/);
    const added = await place.run(["witness", "add-log", keys.out.trim(), "--dir", "w"]);
    assert.deepEqual([added.code, added.out], [0, `${keys.out.split("+")[0]}\n`]);
    await place.run(["audit", "--export", "ledger"]);
    checkpoint = readFileSync(join(place.dir, "ledger", "checkpoint"), "utf8");
    ({ started: witness, url } = await up());
  });
  after(async () => place.remove());

  it("cosigns the ledger of a control plane", async () => {
    const answer = await add(`old 0\n\n${checkpoint}`);
    const line = await answer.text();
    assert.equal(answer.status, 200, line);
    assert.equal(endorsements(readNote(checkpoint + line), [key]).length, 1);
  });

  it("does not believe a checkpoint that was changed on its way", async () => {
    const answer = await add(`old 0\n\n${checkpoint.replace("\n0\n", "\n1\n")}`);
    assert.equal(answer.status, 403, "the signature does not fit");
  });

  it("has nothing else, for nobody", async () => {
    assert.equal((await fetch(`${url}/add-checkpoint`)).status, 405);
    assert.equal((await fetch(`${url}/`)).status, 404);
    assert.equal((await fetch(`${url}/heads`)).status, 404);
    assert.equal((await fetch(`${url}/../witness.pem`)).status, 404);
  });

  it("takes no more than a checkpoint can have", async () => {
    const large = await add("x".repeat(WITNESS_LIMITS.bodyBytes + 1));
    assert.equal(large.status, 413);
    assert.equal((await add(Uint8Array.of(0xff, 0xfe, 10, 10))).status, 400);
    assert.equal((await add("")).status, 400);
    assert.equal((await add(`old 0\n\n${checkpoint}`)).status, 200, "it is as well as before");
  });

  it("goes on when somebody leaves in the middle", async () => {
    const { port } = new URL(url);
    await new Promise<void>((closed) => {
      const socket = connect(Number(port), "127.0.0.1", () => {
        socket.write("POST /add-checkpoint HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nold 0\n");
        socket.destroy();
      });
      socket.once("close", () => closed());
    });
    assert.equal((await add(`old 0\n\n${checkpoint}`)).status, 200);
  });

  it("is one process: a second one on its folder is refused", async () => {
    const { code, err } = await place.run(["witness", "up", "--dir", "w", "--listen", "127.0.0.1:0"]);
    assert.equal(code, 9);
    assert.match(err, /error\[data_locked\]/);
  });

  it("ends when it is told to, and knows what it knew", async () => {
    witness.child.kill("SIGTERM");
    const { code } = await witness.ended;
    assert.equal(code, 0);
    ({ started: witness, url } = await up());
    assert.equal((await add(`old 0\n\n${checkpoint}`)).status, 200);
  });

  it("that is killed between keeping a checkpoint and answering knows what it kept, and answers who asks again", async () => {
    witness.child.kill("SIGTERM");
    await witness.ended;
    await place.run(["audit", "--export", "grown"]);
    const grown = readFileSync(join(place.dir, "grown", "checkpoint"), "utf8");
    const [old, size] = [checkpoint, grown].map((note) => readCheckpoint(readNote(note).text).size);
    assert.ok(old !== undefined && size !== undefined && old < size, "looking at it is an entry too");
    const { out } = await place.run(["audit", "-o", "json", "--limit", "1000"]);
    const { entries } = JSON.parse(out) as { readonly entries: readonly { readonly event: JsonObject }[] };
    const leaves = entries.slice(0, size).map(({ event }) => leafDigest(Buffer.from(canonical(event))));
    const proof = consistencyProof(old, size, (level, at) =>
      subtreeHash(leaves.slice(at * 2 ** level, (at + 1) * 2 ** level)),
    );
    const body = writeSubmission({ old, proof, checkpoint: grown });

    const dying = spawn(process.execPath, [DYING, join(place.dir, "w")], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(dying, "exit");
    const [line] = (await once(createInterface(dying.stdout), "line")) as [string];
    await assert.rejects(fetch(`${line}/add-checkpoint`, { method: "POST", body }));
    assert.deepEqual(await ended, [null, "SIGKILL"]);

    ({ started: witness, url } = await up());
    const again = await add(body);
    assert.deepEqual(
      [again.status, again.headers.get("content-type"), await again.text()],
      [409, "text/x.tlog.size", `${size}\n`],
    );
    const answered = await add(writeSubmission({ old: size, proof: [], checkpoint: grown }));
    assert.equal(answered.status, 200);
    assert.equal(endorsements(readNote(grown + (await answered.text())), [key]).length, 1);
    const back = await add(writeSubmission({ old: 0, proof: [], checkpoint }));
    assert.equal(back.status, 409, "it does not go back");
  });

  it("says what is wrong with a list of logs that somebody edited", async () => {
    cpSync(join(place.dir, "w"), join(place.dir, "edited"), { recursive: true });
    chmodSync(join(place.dir, "edited"), 0o700);
    appendFileSync(join(place.dir, "edited", "logs"), "example.com+nonsense\n");
    const { code, err } = await place.run(["witness", "up", "--dir", "edited"]);
    assert.equal(code, 2);
    assert.match(err, /Line 3 of \S+ is not the key of a log: it is not of the form name\+id\+key/);
    writeFileSync(join(place.dir, "edited", "witness.vkey"), "");
    assert.equal((await place.run(["witness", "up", "--dir", "edited"])).code, 4);
  });

  it("speaks JSON to collectors", async () => {
    witness.child.kill("SIGTERM");
    await witness.ended;
    const started = place.start(["witness", "up", "--dir", "w", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    await started.shows(/listens on/);
    const line = JSON.parse(started.err.split("\n")[0] ?? "") as { readonly vkey?: string };
    assert.match(line.vkey ?? "", /^witness\.example\/w1\+/);
    started.child.kill("SIGINT");
    assert.equal((await started.ended).code, 0);
  });
});
