import assert from "node:assert/strict";
import { it } from "node:test";
import { junitXml } from "./junit.ts";

it("writes XML that every reader takes, whatever the names and messages hold", () => {
  const one = {
    name: 'a "b" <c> & \u0000\ud800',
    status: "failed",
    kind: "error",
    message: "x\ny",
    text: "]]>",
    seconds: 1.2345,
    line: 3,
  } as const;
  const xml = junitXml([
    { name: "f.yaml", cases: [one, { ...one, name: "s", status: "skipped" }, { ...one, name: "p", status: "passed" }] },
  ]);
  assert.equal(
    xml,
    `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="maestro test" tests="3" failures="0" errors="1" skipped="1" time="3.704">
  <testsuite name="f.yaml" tests="3" failures="0" errors="1" skipped="1" time="3.704">
    <testcase name="a &quot;b&quot; &lt;c&gt; &amp; \ufffd\ufffd" classname="f.yaml" file="f.yaml" line="3" time="1.234">
      <error message="x&#10;y">]]&gt;</error>
    </testcase>
    <testcase name="s" classname="f.yaml" file="f.yaml" line="3" time="1.234">
      <skipped/>
    </testcase>
    <testcase name="p" classname="f.yaml" file="f.yaml" line="3" time="1.234"/>
  </testsuite>
</testsuites>
`,
  );
});
