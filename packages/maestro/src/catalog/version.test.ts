import assert from "node:assert/strict";
import { it } from "node:test";
import { compareVersions, fits, highest } from "./version.ts";

it("versions are ordered as Semantic Versioning says", () => {
  const ordered = [
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.2.0",
    "1.10.0",
    "2.0.0",
    "99999999999999999999.0.0",
  ];
  assert.deepEqual(ordered.toReversed().toSorted(compareVersions), ordered);
  assert.equal(compareVersions("1.0.0+a", "1.0.0+b"), 0);
  assert.equal(highest(ordered.slice(0, -1).map((version) => ({ version })))?.version, "2.0.0");
  const some = ["1.0.0-rc.1", "1.0.0-rc.2"].map((version) => ({ version }));
  assert.equal(highest(some)?.version, "1.0.0-rc.2");
  assert.equal(highest([{ version: "0.1.0" }, ...some])?.version, "0.1.0");
  assert.equal(highest([]), undefined);
  assert.deepEqual(
    [fits("2.1.0", "2"), fits("2.1.0", "2.1"), fits("21.0.0", "2"), fits("2.1.0", "2.1.0")],
    [true, true, false, true],
  );
});
