import assert from "node:assert/strict";

/** A metric as it was scraped. */
export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const TYPES = ["counter", "gauge", "histogram"];

/** Reads Prometheus' text format 0.0.4 more strictly than any scraper does: whatever is doubtful is an assertion that fails. */
export function readExposition(text: string): ReadonlyMap<string, Family> {
  assert.ok(text.endsWith("\n"), "the last line ends as well");
  const families = new Map<string, { type: string; help: string; samples: Family["samples"][number][] }>();
  let current = "";
  const series = new Set<string>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const comment = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`).exec(line);
    if (comment !== null) {
      const [, kind = "", name = "", rest = ""] = comment;
      if (kind === "HELP") {
        assert.ok(!families.has(name), `${name} comes twice`);
        families.set(name, { type: "", help: rest, samples: [] });
        current = name;
      } else {
        assert.equal(name, current, `TYPE of ${name} does not follow its HELP`);
        assert.ok(TYPES.includes(rest), line);
        families.get(name)!.type = rest;
      }
      continue;
    }
    const match = SAMPLE.exec(line);
    assert.ok(match !== null, `no sample: ${line}`);
    const [, name = "", labelText, valueText = ""] = match;
    const family = families.get(current);
    assert.ok(family !== undefined && family.type !== "", `a sample before its TYPE: ${line}`);
    const suffix = name.slice(current.length);
    assert.ok(
      name.startsWith(current) && (family.type === "histogram" ? /^_(bucket|sum|count)$/ : /^$/).test(suffix),
      `${name} lies among the samples of ${current}`,
    );
    const key = `${name}{${labelText ?? ""}}`;
    assert.ok(!series.has(key), `twice: ${key}`);
    series.add(key);
    family.samples.push({ name, labels: readLabels(labelText ?? "", line), value: readValue(valueText) });
  }
  for (const [name, family] of families) checkFamily(name, family);
  return families;
}

function readLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    assert.ok(match !== null, `labels that cannot be read: ${line}`);
    const [, name = "", value = ""] = match;
    assert.equal(labels[name], undefined, `${name} twice: ${line}`);
    labels[name] = value.replaceAll(/\\(["\\n])/g, (_, one: string) => (one === "n" ? "\n" : one));
  }
  return labels;
}

function readValue(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  assert.match(text, /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/, "a finite number");
  return Number(text);
}

function checkFamily(name: string, { type, samples }: Family): void {
  assert.equal(type === "counter", name.endsWith("_total"), `${name} is a ${type}`);
  if (type === "counter") for (const { value } of samples) assert.ok(value >= 0, `${name} is ${value}`);
  if (type !== "histogram") return;
  const groups = Map.groupBy(samples, ({ labels }) => {
    const { le: _, ...rest } = labels;
    return JSON.stringify(rest);
  });
  for (const [labels, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    const sum = group.find((sample) => sample.name === `${name}_sum`)?.value;
    assert.ok(count !== undefined && sum !== undefined && sum >= 0, `${name}${labels} has no count or sum`);
    const bounds = buckets.map(({ labels: { le = "" } }) => readValue(le));
    assert.deepEqual(
      bounds,
      bounds.toSorted((a, b) => a - b),
      `${name}${labels}: bounds ascend`,
    );
    assert.equal(new Set(bounds).size, bounds.length);
    assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY);
    const values = buckets.map(({ value }) => value);
    assert.deepEqual(
      values,
      values.toSorted((a, b) => a - b),
      `${name}${labels}: buckets are cumulative`,
    );
    assert.equal(values.at(-1), count, `${name}${labels}: the last bucket has all`);
  }
}

/** The value of the one sample with these labels. */
export function valueOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = families.get(name.replace(/_(?:bucket|sum|count)$/, "")) ?? families.get(name);
  const found = (family?.samples ?? []).filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  assert.equal(found.length, 1, `${found.length} samples are ${name}${JSON.stringify(labels)}`);
  return found[0]!.value;
}
