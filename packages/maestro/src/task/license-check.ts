import parse from "spdx-expression-parse";
import { task } from "./define.ts";
import { TaskFailure } from "./task.ts";
import type { TaskType } from "./task.ts";

interface Input {
  readonly package: { readonly name: string; readonly version: string; readonly license?: string | null };
  readonly allow: readonly string[];
  readonly exceptions?: Readonly<Record<string, string>>;
}

export const licenseCheck: TaskType = {
  description: {
    name: "license/check",
    version: 1,
    title: "Checks the licence of one package against a list",
    docs: `Reads the package's licence as an SPDX expression and compares it with the ids that are allowed: of \`OR\` one side must be allowed, of \`AND\` both.
\`GPL-2.0-or-later\` and \`MPL-2.0+\` offer a choice, so they are allowed where \`GPL-2.0-only\` or \`MPL-2.0\` is. A licence \`WITH\` an exception is another licence:
list it as such, for example \`"Apache-2.0 WITH LLVM-exception"\`.

A licence that is missing, that is no SPDX expression (\`SEE LICENSE IN …\`, \`UNLICENSED\`) or not allowed fails the task with the code \`LICENSE\` and says which package it is.
Where somebody has looked at a package and taken it, write down who and why under \`exceptions\`; the reason is part of the output, and so of the receipt.`,
    input: {
      type: "object",
      required: ["package", "allow"],
      properties: {
        package: {
          type: "object",
          description: "One package, as `npm/inventory@1` lists it; further properties are ignored.",
          required: ["name", "version"],
          properties: {
            name: { type: "string", minLength: 1, description: "Its name." },
            version: { type: "string", description: "Its version." },
            license: {
              type: ["string", "null"],
              description: "Its licence, an SPDX expression; null where none is stated.",
            },
          },
        },
        allow: {
          type: "array",
          items: { type: "string", minLength: 1 },
          description: "SPDX licence ids, also with an exception.",
          examples: [["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]],
        },
        exceptions: {
          type: "object",
          additionalProperties: { type: "string", minLength: 1 },
          description: "`name@version` or `name` to the reason why it may be used all the same.",
          examples: [{ "left-pad@1.3.0": "WTFPL, accepted by legal on 2026-03-02" }],
        },
      },
      additionalProperties: false,
    },
    output: {
      type: "object",
      required: ["package", "license", "allowed", "by"],
      properties: {
        package: { type: "string", description: "`name@version`." },
        license: { type: ["string", "null"], description: "The licence as the package states it." },
        allowed: { const: true, description: "Always true; what is not allowed fails the task." },
        by: { type: "string", description: "The allowed ids that decided, or `exception: ` and its reason." },
      },
    },
    effects: [],
    runs: "inline",
    example: { package: { name: "jsesc", version: "3.1.0", license: "(MIT OR Apache-2.0)" }, allow: ["MIT", "ISC"] },
  },
  init: () => task<Input>({ check: (input) => badIds(input.allow), work: check }),
};

function check({ package: subject, allow, exceptions = {} }: Input): {
  package: string;
  license: string | null;
  allowed: true;
  by: string;
} {
  const id = `${subject.name}@${subject.version}`;
  const license = subject.license ?? null;
  const excused = [id, subject.name].find((name) => Object.hasOwn(exceptions, name));
  if (excused !== undefined)
    return { package: id, license, allowed: true, by: `exception: ${exceptions[excused] ?? ""}` };

  const advice = `If it may be used all the same, add "${id}" with the reason to \`exceptions\`.`;
  if (license === null || license.trim() === "")
    throw refused(`${id} states no licence. Look at its README or ask its authors. ${advice}`);
  const expression = parseLicence(license);
  if (expression === undefined)
    throw refused(
      `${id} states the licence ${JSON.stringify(license)}, which is no SPDX expression${spelling(license)}. ${advice}`,
    );
  const by = allowedBy(expression, new Set(allow.map(normal)));
  if (by === undefined)
    throw refused(
      `${id} is under ${license}, which is not allowed (allowed: ${allow.join(", ") || "nothing"}). Replace the package or add the licence to \`allow\`. ${advice}`,
    );
  return { package: id, license, allowed: true, by: by.join(" AND ") };
}

/** The ids whose presence in `allowed` makes the expression acceptable; undefined where it is not. */
function allowedBy(expression: parse.Info, allowed: ReadonlySet<string>): readonly string[] | undefined {
  if ("conjunction" in expression) {
    const left = allowedBy(expression.left, allowed);
    if (expression.conjunction === "or") return left ?? allowedBy(expression.right, allowed);
    const right = left && allowedBy(expression.right, allowed);
    return left && right && [...new Set([...left, ...right])];
  }
  const found = choices(expression).find((choice) => allowed.has(choice));
  return found === undefined ? undefined : [found];
}

/** What a licence lets its user choose from: "or later" includes the version itself. */
function choices(leaf: parse.LicenseInfo): readonly string[] {
  const suffix = leaf.exception === undefined ? "" : ` WITH ${leaf.exception}`;
  const ids = [leaf.plus === true ? `${leaf.license}+` : leaf.license];
  if (leaf.plus === true) ids.push(leaf.license);
  if (leaf.license.endsWith("-or-later")) ids.push(leaf.license.replace(/-or-later$/, "-only"));
  return ids.map((id) => id + suffix);
}

function parseLicence(text: string): parse.Info | undefined {
  // Real ids are short; the parser is recursive.
  if (text.length > 2000) return undefined;
  try {
    return parse(text);
  } catch {
    return undefined; // the caller says what was wrong; the parser's own message names an offset only
  }
}

function badIds(allow: readonly string[]): readonly string[] {
  return allow.flatMap((entry) => {
    const parsed = parseLicence(entry);
    if (parsed !== undefined && !("conjunction" in parsed)) return [];
    return [
      `allow: ${JSON.stringify(entry)} is no SPDX licence id${parsed === undefined ? spelling(entry) : "; list the ids one by one instead of an expression"}`,
    ];
  });
}

function normal(entry: string): string {
  const parsed = parseLicence(entry);
  return parsed === undefined || "conjunction" in parsed ? entry : (choices(parsed)[0] ?? entry);
}

/** SPDX ids are compared by case here, as npm does; most misspellings are of that kind. */
function spelling(text: string): string {
  const known = [
    "MIT",
    "ISC",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "MPL-2.0",
    "Unlicense",
    "0BSD",
    "CC0-1.0",
    "WTFPL",
  ];
  const plain = (id: string): string => id.toLowerCase().replace(/licen[sc]e|version|the|[^a-z0-9]/g, "");
  const meant =
    known.find((id) => plain(id) === plain(text)) ??
    ({ apache2: "Apache-2.0", bsd: "BSD-2-Clause or BSD-3-Clause" } as Readonly<Record<string, string>>)[plain(text)];
  return meant === undefined ? "" : ` (perhaps ${meant})`;
}

function refused(message: string): TaskFailure {
  return new TaskFailure({ code: "LICENSE", message, final: true });
}
