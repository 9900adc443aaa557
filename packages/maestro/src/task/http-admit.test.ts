import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressKind } from "./address.ts";
import { admit, allowanceProblem } from "./http-admit.ts";
import type { Address, Resolve } from "./http-admit.ts";
import { TaskFailure } from "./task.ts";

/** A small DNS: what a name's owner can make it say. */
const ZONE: Readonly<Record<string, readonly string[]>> = {
  "example.com": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
  "nat64.example.com": ["64:ff9b::5db8:d70e"],
  localhost: ["127.0.0.1", "::1"],
  "localhost.": ["127.0.0.1"],
  "rebind.example.com": ["127.0.0.1"],
  "intranet.example.com": ["10.1.2.3"],
  "mixed.example.com": ["192.168.0.1", "93.184.215.14"],
  "metadata.google.internal": ["169.254.169.254"],
  "mapped.example.com": ["::ffff:10.0.0.1"],
  "ula.example.com": ["fd12:3456::1"],
  "127.0.0.1.nip.io": ["127.0.0.1"],
  "nothing.example.com": [],
};
const resolve: Resolve = async (host) => {
  const found = ZONE[host];
  if (found === undefined) throw new Error(`getaddrinfo ENOTFOUND ${host}`);
  return found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }) satisfies Address);
};

async function verdict(url: string, allowPrivate: readonly string[] = []): Promise<string> {
  try {
    return (await admit(new URL(url), { resolve, allowPrivate })).map(({ address }) => address).join(" ");
  } catch (thrown) {
    assert.ok(thrown instanceof TaskFailure);
    assert.equal(thrown.error.final === true, thrown.error.code === "BLOCKED_ADDRESS");
    return thrown.error.code;
  }
}

describe("admit()", () => {
  const blocked = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://127.255.255.254:8080/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://0x7f.0.0.0x1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://%31%32%37.0.0.1/",
    "http://localhost/",
    "http://LOCALHOST:3000/",
    "http://localhost./",
    "http://0/",
    "http://0.0.0.0:22/",
    "http://0.1.2.3/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000::0001]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:10.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::10.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:4136:e378::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456:789a::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[5f00::1]/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://3232235777/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://169.254.1.1/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.255/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://rebind.example.com/",
    "http://intranet.example.com/",
    "http://mapped.example.com/",
    "http://ula.example.com/",
    "http://127.0.0.1.nip.io/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com:70/",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "http://user@example.com/",
    "http://user:secret@example.com/",
    "http://example.com@127.0.0.1/",
  ];
  for (const url of blocked) it(`blocks ${url}`, async () => assert.equal(await verdict(url), "BLOCKED_ADDRESS"));

  const admitted: readonly (readonly [url: string, allowPrivate: readonly string[], addresses: string])[] = [
    ["https://example.com/", [], "93.184.215.14 2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    ["http://93.184.215.14:8080/", [], "93.184.215.14"],
    ["http://[2606:2800:21f::1]/", [], "2606:2800:21f::1"],
    ["http://172.32.0.1/", [], "172.32.0.1"],
    ["http://100.128.0.1/", [], "100.128.0.1"],
    ["http://[::ffff:93.184.215.14]/", [], "::ffff:5db8:d70e"],
    ["https://nat64.example.com/", [], "64:ff9b::5db8:d70e"],
    ["http://mixed.example.com/", [], "93.184.215.14"],
    ["http://mixed.example.com/", ["192.168.0.0/16"], "192.168.0.1 93.184.215.14"],
    ["http://127.0.0.1/", ["127.0.0.1"], "127.0.0.1"],
    ["http://2130706433/", ["127.0.0.0/8"], "127.0.0.1"],
    ["http://localhost/", ["127.0.0.0/8"], "127.0.0.1"],
    ["http://localhost/", ["localhost"], "127.0.0.1 ::1"],
    ["http://LocalHost./", ["LOCALHOST"], "127.0.0.1"],
    ["http://[::ffff:10.0.0.1]/", ["10.0.0.0/8"], "::ffff:a00:1"],
    ["http://ula.example.com/", ["fd00::/8"], "fd12:3456::1"],
    ["http://169.254.169.254/", ["169.254.169.254"], "169.254.169.254"],
  ];
  for (const [url, allowPrivate, addresses] of admitted) {
    it(`admits ${url}${allowPrivate.length === 0 ? "" : ` with ${allowPrivate.join(", ")}`}`, async () =>
      assert.equal(await verdict(url, allowPrivate), addresses));
  }

  const still: readonly (readonly [url: string, allowPrivate: readonly string[]])[] = [
    ["http://intranet.example.com/", ["example.com"]],
    ["http://rebind.example.com/", ["localhost"]],
    ["http://127.0.0.2/", ["127.0.0.1"]],
    ["http://metadata.google.internal/", ["metadata.google.internal"]],
    ["http://10.0.0.1/", ["0.0.0.0/32"]],
    ["http://[::1]/", ["127.0.0.0/8"]],
  ];
  for (const [url, allowPrivate] of still)
    it(`blocks ${url} even with ${allowPrivate.join(", ")}`, async () =>
      assert.equal(await verdict(url, allowPrivate), "BLOCKED_ADDRESS"));

  it("says what was blocked and how to allow it", async () => {
    await assert.rejects(admit(new URL("http://intranet.example.com/"), { resolve, allowPrivate: [] }), {
      message:
        'intranet.example.com is 10.1.2.3, and that is a private address, which no task calls unless it is told to. If it is meant, list "intranet.example.com" under `allowPrivate`.',
    });
    await assert.rejects(admit(new URL("http://metadata.google.internal/"), { resolve, allowPrivate: [] }), {
      message: /cloud metadata address.* list "169\.254\.169\.254" under/,
    });
  });

  it("says that a name is not known", async () => {
    assert.equal(await verdict("http://nowhere.example.com/"), "UNAVAILABLE");
    assert.equal(await verdict("http://nothing.example.com/"), "UNAVAILABLE");
  });
});

describe("addressKind()", () => {
  it("takes no text for an address", () => assert.equal(addressKind("example.com"), "reserved"));
});

describe("allowanceProblem()", () => {
  for (const entry of ["localhost", "db.internal", "10.0.0.0/8", "10.1.2.3", "fd00::/8", "::1", "0.0.0.0/0"])
    it(`takes ${entry}`, () => assert.equal(allowanceProblem(entry), undefined));
  for (const entry of [
    "",
    "10.0.0.0/33",
    "10.0.0/8",
    "10.0.0.0/8/8",
    "::/129",
    "http://localhost",
    "localhost:80",
    "*.internal",
    "10.0.0.0/-1",
  ]) {
    it(`refuses ${JSON.stringify(entry)}`, () => assert.match(allowanceProblem(entry) ?? "", /neither a host name/));
  }
});
