/** Semantic Versioning 2.0.0, section 11: negative where `a` comes before `b`. Build metadata does not count. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < 3; i++) {
    const difference = compareParts(left.core[i] ?? "0", right.core[i] ?? "0");
    if (difference !== 0) return difference;
  }
  if (left.pre.length === 0 || right.pre.length === 0) return right.pre.length - left.pre.length;
  for (let i = 0; i < Math.max(left.pre.length, right.pre.length); i++) {
    const [one, other] = [left.pre[i], right.pre[i]];
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    const difference = compareParts(one, other);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** `2` and `2.1` stand for every version that begins so. */
export function fits(version: string, wanted: string): boolean {
  return version === wanted || version.startsWith(`${wanted}.`);
}

/** The highest release, or where there is none the highest of all; of equal ones the first. */
export function highest<T extends { readonly version: string }>(all: readonly T[]): T | undefined {
  const releases = all.filter(({ version }) => !(version.split("+")[0] ?? "").includes("-"));
  return (releases.length > 0 ? releases : all).toSorted((a, b) => compareVersions(b.version, a.version))[0];
}

function parts(version: string): { readonly core: readonly string[]; readonly pre: readonly string[] } {
  const [numbers = "", ...rest] = (version.split("+")[0] ?? "").split("-");
  const pre = rest.join("-");
  return { core: numbers.split("."), pre: pre === "" ? [] : pre.split(".") };
}

function compareParts(a: string, b: string): number {
  const [left, right] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  // Numbers can be longer than a float is exact; numeric identifiers come before others.
  if (left && right) return a.length === b.length ? order(a, b) : a.length - b.length;
  return left === right ? order(a, b) : left ? -1 : 1;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
