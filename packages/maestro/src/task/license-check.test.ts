import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { workbench } from "../../test/support/run-task.ts";
import { licenseCheck } from "./license-check.ts";

describe("license/check@1", () => {
  const allowed: readonly (readonly [license: string, allow: readonly string[], by: string])[] = [
    ["MIT", ["MIT"], "MIT"],
    ["(MIT OR GPL-3.0-only)", ["MIT"], "MIT"],
    ["GPL-3.0-only OR MIT", ["MIT"], "MIT"],
    ["(MIT AND CC-BY-4.0)", ["MIT", "CC-BY-4.0"], "MIT AND CC-BY-4.0"],
    ["MIT AND (GPL-2.0-only OR ISC)", ["MIT", "ISC"], "MIT AND ISC"],
    ["GPL-2.0-or-later", ["GPL-2.0-or-later"], "GPL-2.0-or-later"],
    ["GPL-2.0-or-later", ["GPL-2.0-only"], "GPL-2.0-only"],
    ["MPL-2.0+", ["MPL-2.0"], "MPL-2.0"],
    ["MPL-2.0+", ["MPL-2.0+"], "MPL-2.0+"],
    ["Apache-2.0 WITH LLVM-exception", ["Apache-2.0  WITH LLVM-exception"], "Apache-2.0 WITH LLVM-exception"],
    ["LicenseRef-acme", ["LicenseRef-acme"], "LicenseRef-acme"],
  ];
  for (const [license, allow, by] of allowed) {
    it(`allows ${license} by ${allow.join(", ")}`, async () => {
      using bench = workbench();
      assert.deepEqual(
        await bench.run(licenseCheck, {
          package: { name: "a", version: "1.0.0", license, purl: "pkg:npm/a@1.0.0" },
          allow,
        }),
        { package: "a@1.0.0", license, allowed: true, by },
      );
    });
  }

  const refused: readonly (readonly [license: string | null, allow: readonly string[], message: RegExp])[] = [
    [
      "GPL-3.0-only",
      ["MIT"],
      /^a@1\.0\.0 is under GPL-3\.0-only, which is not allowed \(allowed: MIT\)\. Replace.*"a@1\.0\.0" with the reason to `exceptions`/,
    ],
    ["(MIT AND GPL-3.0-only)", ["MIT"], /not allowed/],
    ["GPL-2.0-only", ["GPL-2.0-or-later"], /not allowed/],
    ["MPL-2.0", ["MPL-2.0+"], /not allowed/],
    ["Apache-2.0 WITH LLVM-exception", ["Apache-2.0"], /not allowed/],
    ["Apache-2.0", ["Apache-2.0 WITH LLVM-exception"], /not allowed/],
    ["MIT", [], /allowed: nothing/],
    [null, ["MIT"], /a@1\.0\.0 states no licence/],
    ["  ", ["MIT"], /states no licence/],
    ["mit", ["MIT"], /no SPDX expression \(perhaps MIT\)/],
    ["Apache License, Version 2.0", ["MIT"], /perhaps Apache-2\.0/],
    ["SEE LICENSE IN LICENSE.md", ["MIT"], /"SEE LICENSE IN LICENSE\.md", which is no SPDX expression\. If/],
    ["UNLICENSED", ["MIT"], /no SPDX expression/],
    [`${"(".repeat(100_000)}MIT`, ["MIT"], /no SPDX expression/],
  ];
  for (const [license, allow, message] of refused) {
    it(`refuses ${license?.slice(0, 40) ?? "nothing"} where ${allow.join(", ")} is allowed`, async () => {
      using bench = workbench();
      const { error } = await bench.fail(licenseCheck, { package: { name: "a", version: "1.0.0", license }, allow });
      assert.match(error.message, message);
      assert.deepEqual([error.code, error.final], ["LICENSE", true]);
    });
  }

  it("takes an exception by name@version or by name, and says why", async () => {
    using bench = workbench();
    const subject = { name: "@s/a", version: "1.0.0", license: null };
    assert.deepEqual(
      await bench.run(licenseCheck, { package: subject, allow: [], exceptions: { "@s/a@1.0.0": "ours" } }),
      { package: "@s/a@1.0.0", license: null, allowed: true, by: "exception: ours" },
    );
    assert.deepEqual(await bench.run(licenseCheck, { package: subject, allow: [], exceptions: { "@s/a": "ours" } }), {
      package: "@s/a@1.0.0",
      license: null,
      allowed: true,
      by: "exception: ours",
    });
    await bench.fail(licenseCheck, { package: subject, allow: [], exceptions: { "@s/a@2.0.0": "ours" } });
  });

  it("refuses an allow list with anything but ids, all at once", async () => {
    using bench = workbench();
    const { error } = await bench.fail(licenseCheck, {
      package: { name: "a", version: "1" },
      allow: ["mit", "MIT OR ISC", "ISC"],
    });
    assert.equal(error.code, "INPUT_INVALID");
    assert.match(error.message, /"mit" is no SPDX licence id \(perhaps MIT\); allow: "MIT OR ISC".*one by one/);
  });
});
