import { readFile, stat } from "node:fs/promises";
import type { JsonObject } from "../core/json.ts";
import { readArchive } from "./archive-members.ts";
import type { Archive, Member } from "./archive-members.ts";

/** What makes two files differ, as far as it can be told. */
export interface Explanation {
  /** One sentence. */
  readonly summary: string;
  /** For archives: what differs inside; at most MAX_MEMBERS of them. */
  readonly members?: readonly JsonObject[];
  /** What usually causes it and what helps. */
  readonly hint?: string;
}

/** Larger files are compared by digest only. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MAX_MEMBERS = 100;

/** Compares two files that exist and differ. */
export async function explainDifference(left: string, right: string): Promise<Explanation> {
  const [leftSize, rightSize] = [(await stat(left)).size, (await stat(right)).size];
  if (Math.max(leftSize, rightSize) > MAX_FILE_BYTES)
    return { summary: `the contents differ; files of more than ${MAX_FILE_BYTES} bytes are not looked into` };
  const [leftBytes, rightBytes] = [await readFile(left), await readFile(right)];
  const [leftArchive, rightArchive] = [await readArchive(leftBytes), await readArchive(rightBytes)];
  if (leftArchive === undefined || rightArchive === undefined)
    return { summary: firstDifference(leftBytes, rightBytes) };
  if (typeof leftArchive === "string") return { summary: `the contents differ; on the left ${leftArchive}` };
  if (typeof rightArchive === "string") return { summary: `the contents differ; on the right ${rightArchive}` };
  return compareArchives(leftArchive, rightArchive);
}

function firstDifference(left: Buffer, right: Buffer): string {
  const length = Math.min(left.length, right.length);
  let at = 0;
  while (at < length && left[at] === right[at]) at++;
  const line = left.subarray(0, at).filter((byte) => byte === 10).length + 1;
  return `the contents differ from byte ${at} (line ${line}) on`;
}

function compareArchives(left: Archive, right: Archive): Explanation {
  if (left.kind !== right.kind) return { summary: `the left is a ${left.kind}, the right a ${right.kind}` };
  const all = [
    ...factDifferences("(archive)", left.facts, right.facts),
    ...memberDifferences(left.members, right.members),
  ];
  if (all.length === 0)
    return { summary: "the members are equal; the archives are packed differently (compression level, padding)" };
  const paths = new Set(all.map(({ path }) => path));
  const hint = hintFor(all);
  return {
    summary: `${paths.size} of ${Math.max(left.members.length, right.members.length)} members differ${all.length > MAX_MEMBERS ? `; the first ${MAX_MEMBERS} differences are listed` : ""}`,
    members: all.slice(0, MAX_MEMBERS).map((difference) => ({ ...difference })),
    ...(hint === undefined ? {} : { hint }),
  };
}

interface MemberDifference {
  readonly path: string;
  readonly what: string;
  readonly left?: string;
  readonly right?: string;
}

function memberDifferences(left: readonly Member[], right: readonly Member[]): readonly MemberDifference[] {
  const differences: MemberDifference[] = [];
  const rights = byPath(right);
  const lefts = byPath(left);
  for (const [path, member] of lefts) {
    const other = rights.get(path);
    if (other === undefined) differences.push({ path, what: "only on the left" });
    else {
      if (member.size !== other.size)
        differences.push({ path, what: "size", left: String(member.size), right: String(other.size) });
      else if (member.content !== other.content)
        differences.push({ path, what: "content", left: member.content, right: other.content });
      differences.push(...factDifferences(path, member.facts, other.facts));
    }
  }
  for (const path of rights.keys()) if (!lefts.has(path)) differences.push({ path, what: "only on the right" });
  const [leftOrder, rightOrder] = [[...lefts.keys()], [...rights.keys()]];
  const moved = leftOrder.length === rightOrder.length ? leftOrder.findIndex((path, i) => path !== rightOrder[i]) : -1;
  if (moved !== -1 && leftOrder.every((path) => rights.has(path))) {
    differences.push({
      path: leftOrder[moved] ?? "",
      what: "order",
      left: `member ${moved + 1}`,
      right: `member ${rightOrder.indexOf(leftOrder[moved] ?? "") + 1}`,
    });
  }
  return differences;
}

/** A path that is there twice gets a number, so that nothing is left out. */
function byPath(members: readonly Member[]): ReadonlyMap<string, Member> {
  const found = new Map<string, Member>();
  for (const member of members) {
    let path = member.path;
    for (let n = 2; found.has(path); n++) path = `${member.path} (${n})`;
    found.set(path, member);
  }
  return found;
}

function factDifferences(
  path: string,
  left: Readonly<Record<string, string>>,
  right: Readonly<Record<string, string>>,
): readonly MemberDifference[] {
  return [...new Set([...Object.keys(left), ...Object.keys(right)])]
    .filter((name) => left[name] !== right[name])
    .map((name) => ({ path, what: name, left: left[name] ?? "", right: right[name] ?? "" }));
}

/** Causes of irreproducible archives, most telling first (reproducible-builds.org). */
const HINTS: readonly (readonly [what: RegExp, hint: string])[] = [
  [
    /^(content|size|only on)/,
    "The packed files themselves differ: look for timestamps, absolute paths, random ids or unsorted lists in them.",
  ],
  [/mtime$/, "Only timestamps and the like differ: set SOURCE_DATE_EPOCH, or pack with a fixed time (tar --mtime)."],
  [/^order$/, "The order differs: sort the file list (tar --sort=name)."],
  [/^mode$/, "Permissions differ: set the same umask, or pack with fixed modes (tar --mode)."],
  [/^owner/, "Owners differ: pack with fixed owners (tar --owner=0 --group=0 --numeric-owner)."],
  [/^gzip /, "The gzip header differs: use gzip -n and the same program for both."],
];

function hintFor(differences: readonly MemberDifference[]): string | undefined {
  return HINTS.find(([what]) => differences.some((difference) => what.test(difference.what)))?.[1];
}
