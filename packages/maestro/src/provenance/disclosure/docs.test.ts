import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { MIN_TRACE } from "../../operations/disclosure/traces.ts";
import { PACKAGE_RUNGS } from "../ladder.ts";
import { DISCLOSURE_LIMITS, DISCLOSURE_MEDIA_TYPE, DISCLOSURE_PREDICATE } from "./form.ts";
import { SALTS_MEDIA_TYPE } from "./salts.ts";

const page = readFileSync(new URL("../../../../../docs/reference/disclosure-package.md", import.meta.url), "utf8");

describe("docs/reference/disclosure-package.md", () => {
  it("lists the checks, in order", () => {
    const section = page.slice(page.indexOf("## The checks"));
    const listed = section.slice(0, section.indexOf("\n## ")).match(/(?<=^\| `)[a-z-]+(?=` \|)/gm);
    assert.deepEqual(
      listed,
      PACKAGE_RUNGS.map(({ id }) => id),
    );
  });

  it("says the limits and the types that hold", () => {
    const { runs, rules, files, textBytes, bytes } = DISCLOSURE_LIMITS;
    for (const row of [
      `| runs in a package | ${runs} |`,
      `| \`redact\` in a request | ${rules} |`,
      `| files | ${files.toLocaleString("en")} |`,
      `| bytes of all files but artifacts | ${textBytes / 1024 ** 2} MiB |`,
      `| bytes of all files | ${bytes / 1024 ** 3} GiB |`,
      `| characters from which a value is looked for in other places | ${MIN_TRACE} |`,
    ])
      assert.ok(page.includes(row), row);
    for (const type of [DISCLOSURE_MEDIA_TYPE, DISCLOSURE_PREDICATE, SALTS_MEDIA_TYPE])
      assert.ok(page.includes(`\`${type}\``), type);
  });
});
