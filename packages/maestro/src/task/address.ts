import { BlockList, isIP } from "node:net";

/** Why an address is not on the public internet, or null where it is. */
export type AddressKind =
  | "loopback"
  | "private"
  | "link-local"
  | "cloud metadata"
  | "carrier-grade NAT"
  | "multicast"
  | "unspecified"
  | "reserved"
  | null;

/** IANA special-purpose registry for IPv4 (RFC 6890 and successors), and the metadata services that lie outside of it. First match counts. */
const IPV4: readonly (readonly [Exclude<AddressKind, null>, string])[] = [
  ["cloud metadata", "169.254.169.254/32"],
  ["cloud metadata", "169.254.170.2/32"],
  ["cloud metadata", "168.63.129.16/32"],
  ["cloud metadata", "100.100.100.200/32"],
  ["cloud metadata", "192.0.0.192/32"],
  ["unspecified", "0.0.0.0/8"],
  ["private", "10.0.0.0/8"],
  ["carrier-grade NAT", "100.64.0.0/10"],
  ["loopback", "127.0.0.0/8"],
  ["link-local", "169.254.0.0/16"],
  ["private", "172.16.0.0/12"],
  ["reserved", "192.0.0.0/24"],
  ["reserved", "192.0.2.0/24"],
  ["reserved", "192.88.99.0/24"],
  ["private", "192.168.0.0/16"],
  ["reserved", "198.18.0.0/15"],
  ["reserved", "198.51.100.0/24"],
  ["reserved", "203.0.113.0/24"],
  ["multicast", "224.0.0.0/4"],
  ["reserved", "240.0.0.0/4"],
];

/** The same for IPv6. What is not global unicast (2000::/3) is refused anyway; this table gives the reason. */
const IPV6: readonly (readonly [Exclude<AddressKind, null>, string])[] = [
  ["unspecified", "::/128"],
  ["loopback", "::1/128"],
  ["cloud metadata", "fd00:ec2::/64"],
  ["cloud metadata", "fd20:ce::254/128"],
  ["private", "fc00::/7"],
  ["private", "fec0::/10"],
  ["link-local", "fe80::/10"],
  ["multicast", "ff00::/8"],
  // Teredo, ORCHID, benchmarking and other protocol assignments; documentation; 6to4, which can carry any IPv4 address.
  ["reserved", "2001::/23"],
  ["reserved", "2001:db8::/32"],
  ["reserved", "3fff::/20"],
  ["reserved", "2002::/16"],
];

const RANGES = [...IPV4, ...IPV6].map(([kind, range]) => ({ kind, list: subnet(range) }));
const GLOBAL_UNICAST = subnet("2000::/3");
const MAPPED = subnet("::ffff:0:0/96");
/** RFC 6052: the well-known prefix of NAT64, behind which every IPv4 address can be reached. */
const NAT64 = subnet("64:ff9b::/96");

/** What kind of place an IP address is. `address` is in any form that `net.isIP` takes, without a zone. */
export function addressKind(address: string): AddressKind {
  const family = isIP(address);
  if (family === 0) return "reserved";
  if (family === 6) {
    const groups = ipv6Groups(address);
    if (contains(MAPPED, address) || contains(NAT64, address)) return addressKind(embedded(groups));
  }
  const found = RANGES.find(({ list }) => contains(list, address));
  if (found !== undefined) return found.kind;
  return family === 4 || contains(GLOBAL_UNICAST, address) ? null : "reserved";
}

/** Addresses and ranges of which an allowance may speak: `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`. Undefined for anything else. */
export function parseRange(text: string): BlockList | undefined {
  const [address = "", prefix, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) return undefined;
  const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix);
  return bits <= (family === 4 ? 32 : 128) ? subnet(`${address}/${bits}`) : undefined;
}

export function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** The IPv4 address inside a mapped IPv6 address, as text; any other address as it is. */
export function unmapped(address: string): string {
  return isIP(address) === 6 && contains(MAPPED, address) ? embedded(ipv6Groups(address)) : address;
}

function subnet(range: string): BlockList {
  const [address = "", prefix] = range.split("/");
  const list = new BlockList();
  list.addSubnet(address, Number(prefix), isIP(address) === 6 ? "ipv6" : "ipv4");
  return list;
}

/** The last 32 bits as an IPv4 address. */
function embedded(groups: readonly number[]): string {
  const [high = 0, low = 0] = groups.slice(-2);
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

function ipv6Groups(address: string): readonly number[] {
  // URL writes the one canonical form (RFC 5952), without a dotted tail.
  const [head = "", tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const parse = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const left = parse(head);
  const right = parse(tail ?? "");
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}
