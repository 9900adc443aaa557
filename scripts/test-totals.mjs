// A reporter for `node --test`: one JSON object with the counts, and the tests that failed or were skipped, by name.
import { relative } from "node:path";

export default async function* totals(events) {
  const failed = [];
  const skipped = [];
  let counts = {};
  for await (const { type, data } of events) {
    if (type === "test:summary" && data.file === undefined) counts = data.counts;
    if (data?.details?.type === "suite") continue;
    const at = { name: data?.name, file: data?.file === undefined ? "" : relative(process.cwd(), data.file) };
    if (type === "test:pass" && data.skip !== undefined)
      skipped.push({ ...at, reason: data.skip === true ? "no reason given" : data.skip });
    // A test that only failed because one inside it did would be told twice.
    if (type === "test:fail" && data.todo === undefined && data.details.error?.failureType !== "subtestsFailed")
      failed.push(at);
  }
  yield JSON.stringify({ counts, failed, skipped });
}
