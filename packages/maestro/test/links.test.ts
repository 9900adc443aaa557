import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

it("has documentation whose links within the repository lead somewhere", () => {
  const pages = globSync("**/*.md", { cwd: ROOT, exclude: ["**/node_modules", "**/.maestro"] });
  assert.ok(pages.includes("README.md"));
  const broken = pages.flatMap((page) =>
    linksOf(readFileSync(join(ROOT, page), "utf8"))
      .filter((link) => !leadsSomewhere(page, link))
      .map(({ path, anchor }) => `${page}: ${path}${anchor === "" ? "" : `#${anchor}`}`),
  );
  assert.deepEqual(broken, []);
});

for (const [folder, index] of [
  ["guides", "index.md"],
  ["reference", "index.md"],
  ["decisions", "README.md"],
] as const)
  it(`lists every page of docs/${folder} in its index`, () => {
    const listed = linksOf(readFileSync(join(ROOT, "docs", folder, index), "utf8")).map(({ path }) => path);
    const pages = globSync(`docs/${folder}/*.md`, { cwd: ROOT }).map((page) => basename(page));
    assert.deepEqual(
      pages.filter((page) => page !== index && !listed.includes(page)),
      [],
    );
  });

it("names tests in its threat model that exist, for each of the 25 threats", () => {
  const page = readFileSync(join(ROOT, "docs/threat-model.md"), "utf8");
  const named = Array.from(page.matchAll(/^- `([^`]+\.test\.m?[jt]s)`: "(.+)"$/gm), ([, path = "", name = ""]) => ({
    path,
    name,
  }));
  assert.ok(named.length > 60, `${named.length} tests are named`);
  assert.equal(named.length, page.match(/^- /gm)?.length, "every item of a list names a test");
  const missing = named.filter(({ path, name }) => !testsOf(path).has(name));
  assert.deepEqual(missing, []);
  const threats = Array.from(page.matchAll(/^### (\d+) (.*)\n\n([\s\S]*?)(?=^##)/gm), ([, number, , text = ""]) => ({
    number,
    text,
  }));
  assert.deepEqual(
    threats.map(({ number }) => Number(number)),
    Array.from({ length: 25 }, (_, i) => i + 1),
  );
  for (const { number, text } of threats)
    assert.ok(
      text.includes("**Not present yet: the surface does not exist.**") || /^- `/m.test(text),
      `threat ${number ?? ""} has neither a test nor the words that it has no surface`,
    );
});

it("finds links, and leaves code and other sites alone", () => {
  const page = "[a](x.md#part) [b](https://example.org) [c](#here)\n```sh\n[d](no.md)\n```\n`[e](no.md)` ![f](p.svg)";
  assert.deepEqual(linksOf(page), [
    { path: "x.md", anchor: "part" },
    { path: "", anchor: "here" },
    { path: "p.svg", anchor: "" },
  ]);
  const titles =
    "# What `maestro up` *does*\n```sh\n# no title\n```\n## 0010 [`undici`](x.md) for HTTP\n## Twice\n## Twice";
  assert.deepEqual([...anchorsOf(titles)], ["what-maestro-up-does", "0010-undici-for-http", "twice", "twice-1"]);
});

/** The names of the tests and groups of a file, where they are not computed. */
function testsOf(path: string): ReadonlySet<string> {
  const file = join(ROOT, path);
  if (!existsSync(file)) return new Set();
  const calls = readFileSync(file, "utf8").matchAll(/\b(?:it|test|describe)\(\s*("(?:[^"\\\n]|\\.)*"|`[^`]*`)/g);
  return new Set(
    Array.from(calls, ([, literal = ""]) =>
      literal.startsWith('"') ? (JSON.parse(literal) as string) : literal.slice(1, -1),
    ),
  );
}

interface Link {
  /** Empty: the same page. */
  readonly path: string;
  readonly anchor: string;
}

function linksOf(markdown: string): readonly Link[] {
  const prose = withoutCode(markdown).replaceAll(/`[^`\n]*`/g, "");
  return Array.from(prose.matchAll(/\]\(([^()\s#]*)(?:#([^()\s]*))?\)/g), ([, path = "", anchor = ""]) => ({
    path,
    anchor,
  })).filter(({ path }) => !/^[a-z]+:/.test(path));
}

function leadsSomewhere(page: string, { path, anchor }: Link): boolean {
  const target = path === "" ? join(ROOT, page) : join(ROOT, dirname(page), path);
  if (!existsSync(target)) return false;
  return anchor === "" || !target.endsWith(".md") || anchorsOf(readFileSync(target, "utf8")).has(anchor);
}

/** The titles of a page as forges make anchors of them. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, title = ""] of withoutCode(markdown).matchAll(/^#+ (.*)$/gm)) {
    const words = title.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-");
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```/gm, "");
}
