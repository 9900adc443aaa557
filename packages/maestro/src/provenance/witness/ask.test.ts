import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, it } from "node:test";
import { cosign, readNote, signNote } from "../ledger/note.ts";
import type { NoteKey } from "../ledger/note.ts";
import type { Asked } from "./ask.ts";
import { askWitness } from "./ask.ts";
import { readSubmission } from "./submission.ts";
import { writeCheckpoint } from "../ledger/checkpoint.ts";

// What a control plane makes of the answers of a witness, good ones and bad ones.

const NOW = 1_763_700_000_000;
const pair = (name: string, kind: NoteKey["kind"]) => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return {
    key: { name, kind, publicKey } satisfies NoteKey,
    sign: (bytes: Uint8Array) => sign(null, bytes, privateKey),
  };
};
const log = pair("example.com/ledger", "log");
const witness = pair("witness.example", "witness");
const stranger = pair("witness.example", "witness");
const note = (size: number): string =>
  signNote(writeCheckpoint({ origin: log.key.name, size, root: new Uint8Array(32) }), log.key, log.sign);
const line = (size: number, by = witness, at = NOW / 1000): string =>
  cosign(readNote(note(size)).text, at, by.key, by.sign);

interface Reply {
  readonly status: number;
  readonly body: string | Buffer;
  readonly type?: string;
}

describe("a witness that is asked", () => {
  let server: Server;
  let url: string;
  let answers: Reply[];
  let asked: number[];
  const ask = async (size: number, last: number): Promise<Asked> =>
    askWitness(
      { prove: async () => [], signal: new AbortController().signal, now: () => NOW },
      { key: witness.key, url },
      { size, note: note(size), signedAt: NOW },
      last,
    );
  const sizeOf = (size: number): Reply => ({ status: 409, body: `${size}\n`, type: "text/x.tlog.size" });
  beforeEach(async () => {
    [answers, asked] = [[], []];
    server = createServer((request, response) => {
      const answer = async (): Promise<void> => {
        asked.push(readSubmission(await text(request)).old);
        const { status, body, type = "text/plain" } = answers.shift() ?? { status: 500, body: "" };
        response.writeHead(status, { "content-type": type }).end(body);
      };
      answer().catch((error: unknown) => response.destroy(error as Error));
    });
    await new Promise<void>((up) => server.listen(0, "127.0.0.1", up));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });

  it("gives its line, of all that it answers", async () => {
    answers = [{ status: 200, body: `${line(5, stranger)}${line(5)}` }];
    assert.deepEqual(await ask(5, 3), { outcome: "cosigned", line: line(5), cosignedAt: NOW / 1000 });
    assert.deepEqual(asked, [3]);
  });

  it("is asked again from where it stands, once", async () => {
    answers = [sizeOf(4), { status: 200, body: line(5) }];
    assert.equal((await ask(5, 0)).outcome, "cosigned");
    assert.deepEqual(asked, [0, 4]);
    answers = [sizeOf(4), sizeOf(3), { status: 200, body: line(5) }];
    assert.equal((await ask(5, 0)).outcome, "unreachable");
    assert.deepEqual(asked.slice(2), [0, 4]);
  });

  for (const [what, replies, says] of [
    ["has seen more than there is", [sizeOf(9)], /it has seen 9 entries, and the ledger has 5/],
    ["has seen another tree of that size", [sizeOf(3)], /another tree of 3 entries/],
    ["does not find the proof right", [{ status: 422, body: "no\n" }], /it has seen another history: no/],
    ["does not find it right when asked again", [sizeOf(4), { status: 422, body: "no\n" }], /another history/],
    ["signs with another key", [{ status: 200, body: line(5, stranger) }], /is not signed by witness\.example/],
    ["signs another checkpoint", [{ status: 200, body: line(6) }], /is no cosignature: the signature of/],
    ["signs in the future", [{ status: 200, body: line(5, witness, NOW / 1000 + 3_600) }], /which is yet to come/],
    ["answers nonsense", [{ status: 200, body: "<html>" }], /is no cosignature/],
    ["answers nothing", [{ status: 200, body: "" }], /is not signed by witness\.example/],
  ] as const) {
    it(`refuses, which is an alarm, where it ${what}`, async () => {
      answers = [...replies];
      const said = await ask(5, 3);
      assert.equal(said.outcome, "refused");
      assert.match("detail" in said ? said.detail : "", says);
    });
  }

  for (const [what, replies, outcome] of [
    ["does not know the log", [{ status: 404, body: "who?" }], "unknown"],
    ["does not know the key", [{ status: 403, body: "no" }], "unknown"],
    ["has a fault of its own", [{ status: 500, body: "" }], "unreachable"],
    ["leads elsewhere", [{ status: 302, body: "" }], "unreachable"],
    ["says 409 and not of how many it knows", [{ status: 409, body: "x" }], "unreachable"],
    ["says that it knows no number", [{ status: 409, body: "many\n", type: "text/x.tlog.size" }], "unreachable"],
    ["answers without end", [{ status: 200, body: Buffer.alloc(100_000, "a") }], "unreachable"],
  ] as const) {
    it(`is no alarm where it ${what}`, async () => {
      answers = [...replies];
      assert.equal((await ask(5, 3)).outcome, outcome);
    });
  }

  it("is no alarm where nobody is there", async () => {
    server.close();
    url = "http://127.0.0.1:1";
    const said = await ask(5, 3);
    assert.equal(said.outcome, "unreachable");
  });
});
