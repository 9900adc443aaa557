import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { codeOnly, importsOf, lineAt, withoutTexts } from "./support/source.ts";
import type { Import } from "./support/source.ts";

// The few rules that hold the house together and that no compiler checks. Each failure says what to do.

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const SRC = "packages/maestro/src/";

/** A folder, or a file beside the folders, may import from its own rank and below; the ranks of docs/architecture.md. */
const RANKS: Readonly<Record<string, number>> = {
  core: 0,
  "version.ts": 0,
  "node-http.ts": 0,
  "thread-env.ts": 0,
  store: 1,
  policy: 1,
  identity: 1,
  provenance: 1,
  runner: 1,
  task: 1,
  manifest: 1,
  engine: 2,
  catalog: 2,
  operations: 2,
  telemetry: 2,
  testing: 3,
  api: 3,
  cli: 4,
  "serve.ts": 4,
  serve: 4,
};

/** Packages that compute and do nothing else, so that core may use them. */
const PURE_PACKAGES = ["@bufbuild/cel", "@bufbuild/cel/ext", "re2js", "yaml"];

/** Parts of the platform that compute and that one file of core may use. */
const ONE_FILE: ReadonlyMap<string, string> = new Map([
  ["node:crypto", "digest.ts"],
  ["node:module", "load-cel.ts"],
]);

/** Where implementations are chosen: for an installation, and for a world under test. */
const ROOTS: readonly string[] = ["serve.ts", "testing/parts.ts"];

/** The parts of serve.ts, which are as much the root as it is, and which nobody else gets hold of. */
const PARTS_OF_ROOT = "serve/";

/** One of several ways to do a thing: known to the roots, which choose, and to its own folder. */
const IMPLEMENTATIONS: readonly string[] = [
  "store/sqlite.ts",
  "store/blob-files.ts",
  "runner/process.ts",
  "runner/log-files.ts",
  "policy/builtin.ts",
  "provenance/keys.ts",
];

const MAX_LINES = 450;

/** Markdown that may lie outside docs/. */
const PAGES =
  /^(?:README|CONTRIBUTING|CONVENTIONS|SECURITY|CHANGELOG)\.md$|^(?:docs|catalog)\/|^(?:bench|packages\/[^/]+)\/README\.md$/;

/** What core takes as arguments instead. */
const CLOCK_OR_CHANCE =
  /\bnew Date\(\s*\)|(?<!new )\bDate\(|\bDate\.now\b|\bMath\.random\b|\bperformance\.|\bprocess\.|\bcrypto\.|\bset(?:Timeout|Interval|Immediate)\(/;
/** A comment in it, with the reason, is enough. */
const EMPTY_CATCH = /\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}/;
const SWALLOWED = /\.catch\(\s*\(\s*\w*\s*\)\s*=>\s*(?:\{\s*\}|undefined|null)\s*\)/;

interface Source {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

const files = listFiles(ROOT);
const sources: readonly Source[] = files
  .filter((path) => /\.(?:ts|mjs)$/.test(path))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
const program = sources.filter(({ path }) => path.startsWith(SRC));
/** What ships: neither tests nor the suites that several implementations share. */
const product = program.filter(({ path }) => !isTest(path));

describe("the house", () => {
  it("has a core that imports only core and pure packages", () => {
    const breaches = product
      .filter(({ path }) => path.startsWith(`${SRC}core/`))
      .flatMap((source) =>
        importsOf(source.text)
          .filter((one) => !isPure(source.path, one))
          .map((one) => `${source.path}:${one.line} imports ${one.from}`),
      );
    none(
      breaches,
      "Take what it computes as an argument, or move the file out of core/. A new pure package goes into PURE_PACKAGES and docs/decisions/.",
    );
  });

  it("has a core without a clock, randomness or a process", () => {
    none(
      find(
        product.filter(({ path }) => path.startsWith(`${SRC}core/`)),
        CLOCK_OR_CHANCE,
      ),
      "Take the time, the random number or the setting as an argument.",
    );
  });

  it("imports downwards only", () => {
    const breaches = product.flatMap((source) =>
      importsOf(source.text).flatMap((one) => {
        const target = resolveImport(source.path, one.from);
        // Data has no imports of its own.
        if (target === undefined || target.endsWith(".json")) return [];
        const [from, to] = [rankOf(source.path), rankOf(target)];
        if (from === undefined || to === undefined)
          return [`${source.path}:${one.line} imports ${target}, and one of them has no rank`];
        return from < to ? [`${source.path}:${one.line} imports ${target}`] : [];
      }),
    );
    none(
      breaches,
      "The order is core < store, policy, provenance, runner, task, manifest < engine, catalog, operations, telemetry < api < cli, serve. Move the shared part down, or hand it in as an argument. A new folder gets its rank in RANKS.",
    );
  });

  it("has no import cycles", () => {
    none(cycles(product), "Move what both need into a file of its own. Type imports may go in circles.");
  });

  it("lets only the composition roots know the implementations", () => {
    const breaches = product.flatMap((source) =>
      importsOf(source.text).flatMap((one) => {
        const target = resolveImport(source.path, one.from)?.slice(SRC.length);
        const here = source.path.slice(SRC.length);
        const known =
          target === undefined ||
          one.kind === "type" ||
          !(IMPLEMENTATIONS.includes(target) || target.startsWith(PARTS_OF_ROOT)) ||
          dirname(target) === dirname(here);
        const isRoot = ROOTS.includes(here) || here.startsWith(PARTS_OF_ROOT);
        return known || isRoot ? [] : [`${source.path}:${one.line} imports ${target}`];
      }),
    );
    none(
      breaches,
      "Take the interface as an argument and let serve.ts, with its parts in serve/, or testing/parts.ts hand in the implementation.",
    );
  });

  it("does not load fetch with node:http", () => {
    const breaches = product.flatMap((source) =>
      importsOf(source.text).flatMap((one) =>
        one.from === "node:http" && one.kind === "value" ? [`${source.path}:${one.line}`] : [],
      ),
    );
    none(breaches, "Take it from src/node-http.ts, which says why. Types may come from node:http itself.");
  });

  it("names implementations that exist", () => {
    none(
      IMPLEMENTATIONS.filter((path) => !files.includes(SRC + path)),
      "Correct the table IMPLEMENTATIONS in this test.",
    );
  });

  it("has files that a person can read in one go", () => {
    const long = sources
      .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES);
    none(
      long.map(({ path, lines }) => `${path} has ${lines} lines`),
      `Split it by subject: most files have less than 250 lines, none more than ${MAX_LINES}.`,
    );
  });

  it("leaves nothing behind: no mark of unfinished work, no test that runs alone", () => {
    none(
      // Brackets, so that this file does not find itself.
      find(sources, /\b(?:TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b/, (text) => text),
      "Do it, or write an issue.",
    );
    none(find(sources, /\b(?:it|test|describe|suite)\.only\(|\bonly:\s*true/), "Let all tests run.");
  });

  it("does not silence the type checker or an error", () => {
    none(find(sources, /@ts-(?:ignore|nocheck)/, withoutTexts), "Give it the right type.");
    none(
      find(sources, /(?:ox|es)lint-disable(?!.* -- \S)/, withoutTexts),
      "Say why this is an exception, after ` -- `; or do without it.",
    );
    // In a test of types the error is what is tested: tsc fails where it does not occur.
    const others = sources.filter(({ path }) => !path.endsWith(".types.test.ts"));
    none(find(others, /@ts-expect-error/, withoutTexts), "Give it the right type.");
    none(find(sources, /\bas any\b|:\s*any\b(?!\s*\()|<any>/), "Use unknown and a parser, or the right type.");
    none(
      find(sources, EMPTY_CATCH, withoutTexts),
      "Handle the error, translate it with its cause, or let it rise; where it really does not matter, a comment says why.",
    );
    none(find(sources, SWALLOWED), "Handle the rejection, or let it rise.");
  });

  it("keeps its Markdown in docs/", () => {
    none(
      files.filter((path) => path.endsWith(".md") && !PAGES.test(path)),
      "Move it into docs/, or delete it: what was done is in git's history.",
    );
  });

  it("uses every SQL statement", () => {
    const names = files
      .filter((path) => path.startsWith(`${SRC}store/sql/`))
      .map((path) => posix.basename(path, ".sql"));
    const text = product.map((source) => source.text).join("\n");
    none(
      names.filter((name) => !new RegExp(`["'/]${name}(?:\\.sql)?["']`).test(text)),
      "Delete the statement, or use it.",
    );
  });
});

describe("the rules themselves", () => {
  it("see a cycle of values and not one of types", () => {
    const a = { path: `${SRC}core/a.ts`, text: 'import { b } from "./b.ts";' };
    assert.deepEqual(cycles([a, { path: `${SRC}core/b.ts`, text: 'import { a } from "./a.ts";' }]), [
      `${SRC}core/a.ts -> ${SRC}core/b.ts -> ${SRC}core/a.ts`,
    ]);
    assert.deepEqual(cycles([a, { path: `${SRC}core/b.ts`, text: 'import type { A } from "./a.ts";' }]), []);
  });
  it("tell pure imports from others", () => {
    const pure = (path: string, from: string): boolean => isPure(SRC + path, { from, kind: "value", line: 1 });
    assert.deepEqual(
      [pure("core/a.ts", "./b.ts"), pure("core/a.ts", "yaml"), pure("core/digest.ts", "node:crypto")],
      [true, true, true],
    );
    assert.deepEqual(
      [
        pure("core/a.ts", "../store/store.ts"),
        pure("core/a.ts", "undici"),
        pure("core/a.ts", "node:crypto"),
        pure("core/digest.ts", "node:fs"),
      ],
      [false, false, false, false],
    );
  });
  it("find code and not the words about it", () => {
    assert.deepEqual(
      find([{ path: "a.ts", text: '// Math.random\nconst a = "Math.random";\nMath.random();' }], /Math\.random/),
      ["a.ts:3 Math.random"],
    );
  });
  it("know what they look for", () => {
    const bad: readonly (readonly [RegExp, readonly string[]])[] = [
      [CLOCK_OR_CHANCE, ["new Date()", "Date()", "Date.now()", "Math.random()", "process.env", "setTimeout(f)"]],
      [EMPTY_CATCH, ["try { a(); } catch {}", "catch (error) { }", "catch (error) {\n}"]],
      [SWALLOWED, [".catch(() => {})", ".catch((error) => undefined)"]],
    ];
    const good: readonly (readonly [RegExp, readonly string[]])[] = [
      [CLOCK_OR_CHANCE, ["new Date(now)", "Date.UTC(1, 2)", "toDate(x)", "Math.floor(1)"]],
      [EMPTY_CATCH, ["catch { return undefined; }", "catch {\n // It is gone already.\n}"]],
      [SWALLOWED, [".catch((error) => report(error))"]],
    ];
    for (const [pattern, texts] of bad) for (const text of texts) assert.match(text, pattern);
    for (const [pattern, texts] of good) for (const text of texts) assert.doesNotMatch(text, pattern);
  });
  it("look at the whole program", () => {
    assert.ok(product.length > 50, `only ${product.length} files found in ${SRC}`);
    assert.ok(product.flatMap(({ text }) => importsOf(text)).length > 100);
  });
});

function isPure(path: string, one: Import): boolean {
  if (one.from.startsWith("./")) return resolveImport(path, one.from)?.startsWith(`${SRC}core/`) === true;
  const only = ONE_FILE.get(one.from);
  return PURE_PACKAGES.includes(one.from) || (only !== undefined && path === `${SRC}core/${only}`);
}

function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || /\/contract(?:-[\w-]+)?\.ts$/.test(path);
}

/** The file an import means, or undefined where it is a package. */
function resolveImport(path: string, from: string): string | undefined {
  return from.startsWith(".") ? posix.join(posix.dirname(path), from) : undefined;
}

function rankOf(path: string): number | undefined {
  const [first = ""] = path.slice(SRC.length).split("/");
  return path.startsWith(SRC) ? RANKS[first] : undefined;
}

/** Each cycle of value imports once, as `a -> b -> a`. */
function cycles(all: readonly Source[]): readonly string[] {
  const edges = new Map(
    all.map(({ path, text }) => [
      path,
      importsOf(text).flatMap((one) => (one.kind === "value" ? (resolveImport(path, one.from) ?? []) : [])),
    ]),
  );
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) {
      found.push([...trail.slice(start), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

/** Places where the pattern occurs in code (or in what `view` shows), as `path:line text`. */
function find(all: readonly Source[], pattern: RegExp, view: (text: string) => string = codeOnly): readonly string[] {
  return all.flatMap(({ path, text }) => {
    const shown = view(text);
    const places = shown.matchAll(new RegExp(pattern, "g"));
    return Array.from(
      places,
      (match) => `${path}:${lineAt(shown, match.index)} ${match[0].replaceAll(/\s+/g, " ").trim()}`,
    );
  });
}

function none(breaches: readonly string[], advice: string): void {
  assert.ok(breaches.length === 0, `\n  ${breaches.join("\n  ")}\n${advice}`);
}

function listFiles(folder: string): readonly string[] {
  const skipped = new Set(["node_modules", ".git", ".maestro", ".pytest_cache", "coverage"]);
  const visit = (path: string): readonly string[] =>
    readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
      if (skipped.has(entry.name)) return [];
      const at = join(path, entry.name);
      if (entry.isDirectory()) return visit(at);
      return entry.isFile() ? [relative(folder, at).replaceAll("\\", "/")] : [];
    });
  return visit(folder).toSorted();
}
