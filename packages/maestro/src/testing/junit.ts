/** One test as JUnit's XML has it: what build servers read. */
export interface JunitCase {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  /** `error`: it could not be carried out. */
  readonly kind: "failure" | "error";
  readonly message: string;
  readonly text: string;
  readonly seconds: number;
  readonly line: number;
}

export interface JunitSuite {
  readonly name: string;
  readonly cases: readonly JunitCase[];
}

/** The format has no standard; these are the elements that all its readers know. */
export function junitXml(suites: readonly JunitSuite[]): string {
  const all = suites.flatMap(({ cases }) => cases);
  const body = suites
    .map(
      ({ name, cases }) =>
        `  <testsuite name="${escape(name)}" ${counts(cases)}>\n${cases.map((one) => caseXml(one, name)).join("")}  </testsuite>\n`,
    )
    .join("");
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="maestro test" ${counts(all)}>\n${body}</testsuites>\n`;
}

function counts(cases: readonly JunitCase[]): string {
  const count = (test: (one: JunitCase) => boolean): number => cases.filter(test).length;
  const seconds = cases.reduce((sum, one) => sum + one.seconds, 0);
  return `tests="${cases.length}" failures="${count(({ status, kind }) => status === "failed" && kind === "failure")}" errors="${count(({ status, kind }) => status === "failed" && kind === "error")}" skipped="${count(({ status }) => status === "skipped")}" time="${seconds.toFixed(3)}"`;
}

function caseXml({ name, status, kind, message, text, seconds, line }: JunitCase, file: string): string {
  const head = `    <testcase name="${escape(name)}" classname="${escape(file)}" file="${escape(file)}" line="${line}" time="${seconds.toFixed(3)}"`;
  if (status === "passed") return `${head}/>\n`;
  if (status === "skipped") return `${head}>\n      <skipped/>\n    </testcase>\n`;
  return `${head}>\n      <${kind} message="${escape(message)}">${escape(text)}</${kind}>\n    </testcase>\n`;
}

/** Characters that XML 1.0 does not allow are replaced, or no reader would take the file. */
function escape(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("\n", "&#10;");
}
