import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StorePlace } from "./contract-place.ts";
import { sharedStore } from "./contract-place.ts";
import type { SessionRow } from "./session.ts";
import type { Store } from "./store.ts";

/** What every store has to promise about sessions: one per proof, found by its token's digest, revoked for good. */
export function testSessions(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name}: sessions`, () => {
    let store: Store;
    const reopen = sharedStore(makePlace, (opened) => (store = opened));
    const session = (n: number, more: Partial<SessionRow> = {}): SessionRow => ({
      id: `s_${String(n).padStart(4, "0")}`,
      digest: `digest-${n}`,
      subject: "company:anna",
      issuer: "company",
      claims: { sub: "anna", groups: ["shop", "ß"] },
      label: "a laptop",
      proof: `proof-${n}`,
      createdAt: n,
      expiresAt: n + 1_000,
      seenAt: n,
      revokedAt: null,
      revokedBy: null,
      ...more,
    });
    const ids = async (query: Partial<Parameters<Store["sessions"]["list"]>[0]> = {}): Promise<readonly string[]> =>
      (await store.sessions.list({ limit: 100, ...query })).map(({ id }) => id);

    it("are found by the digest of their token, also by who opens the store next", async () => {
      const row = session(1);
      assert.equal(await store.sessions.put(row), true);
      assert.deepEqual(await store.sessions.byDigest("digest-1"), row);
      await reopen();
      assert.deepEqual(await store.sessions.byDigest("digest-1"), row);
      assert.deepEqual(await store.sessions.get("s_0001"), row);
      assert.equal(await store.sessions.byDigest("digest-2"), undefined);
      assert.equal(await store.sessions.get("s_0002"), undefined);
    });

    it("begin once by one proof", async () => {
      assert.equal(await store.sessions.put(session(2, { proof: "proof-1" })), false);
      assert.deepEqual(await ids(), ["s_0001"]);
    });

    it("are listed newest first, by pages, by who it is and by what is still good", async () => {
      await store.sessions.put(session(3, { subject: "company:bela", expiresAt: 4 }));
      await store.sessions.put(session(4, { subject: "company:bela", issuer: null }));
      assert.deepEqual(await ids(), ["s_0004", "s_0003", "s_0001"]);
      assert.deepEqual(await ids({ limit: 1, before: "s_0004" }), ["s_0003"]);
      assert.deepEqual(await ids({ subject: "company:bela" }), ["s_0004", "s_0003"]);
      assert.deepEqual(await ids({ subject: "company:bela", goodAt: 4 }), ["s_0004"]);
      assert.deepEqual(await ids({ goodAt: 4 }), ["s_0004", "s_0001"]);
    });

    it("know when they were seen", async () => {
      await store.sessions.seen("s_0001", 77);
      assert.equal((await store.sessions.get("s_0001"))?.seenAt, 77);
    });

    it("are revoked once, and stay revoked by whom they were", async () => {
      assert.deepEqual(await store.sessions.revoke(["s_0001", "s_0004", "s_none"], { at: 50, by: "user:anna" }), [
        "s_0001",
        "s_0004",
      ]);
      assert.deepEqual(await store.sessions.revoke(["s_0001"], { at: 60, by: "user:bela" }), []);
      const row = await store.sessions.byDigest("digest-1");
      assert.deepEqual([row?.revokedAt, row?.revokedBy], [50, "user:anna"]);
      assert.deepEqual(await ids({ goodAt: 3 }), ["s_0003"]);
    });

    it("go when they have been over for long enough", async () => {
      assert.equal(await store.sessions.sweep(1_002, 10), 2);
      assert.deepEqual(await ids(), ["s_0004"]);
    });
  });
}
