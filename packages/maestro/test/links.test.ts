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
      .filter((link) => !existsSync(join(ROOT, dirname(page), link)))
      .map((link) => `${page}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

for (const folder of ["guides", "reference"])
  it(`lists every page of docs/${folder} in its index`, () => {
    const index = `docs/${folder}/index.md`;
    const listed = linksOf(readFileSync(join(ROOT, index), "utf8"));
    const pages = globSync(`docs/${folder}/*.md`, { cwd: ROOT }).map((page) => basename(page));
    assert.deepEqual(
      pages.filter((page) => page !== "index.md" && !listed.includes(page)),
      [],
    );
  });

it("finds links, and leaves code and other sites alone", () => {
  const page = "[a](x.md#part) [b](https://example.org) [c](#here)\n```sh\n[d](no.md)\n```\n`[e](no.md)` ![f](p.svg)";
  assert.deepEqual(linksOf(page), ["x.md", "p.svg"]);
});

/** Paths of Markdown links, without their anchors. */
function linksOf(markdown: string): readonly string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
  return Array.from(prose.matchAll(/\]\(([^()\s#]+)(?:#[^()\s]*)?\)/g), (match) => match[1] ?? "").filter(
    (link) => !/^[a-z]+:/.test(link),
  );
}
