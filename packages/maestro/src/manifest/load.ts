import { canonical } from "../core/canonical.ts";
import { compile, type CompileEnv, type KnownRunbook } from "../core/compile.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import { type Digest, digestOf, sha256 } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
import { parseManifest } from "../core/manifest.ts";
import type { Plan } from "../core/plan.ts";
import type { TaskDescription } from "../core/task-description.ts";
import type { RunbookRef, Workflow } from "../core/workflow.ts";
import { checkSchedules } from "./cron.ts";
import { applyIgnores } from "./ignore.ts";
import type { LocatedDiagnostic } from "./report.ts";
import { type Place, readSource, type Source } from "./source.ts";

/** What reading a manifest needs to know of the installation. */
export interface ManifestEnv {
  /** By `name@version`. */
  readonly taskTypes: ReadonlyMap<string, TaskDescription>;
  /** A runbook that `uses: runbook:…` names, or undefined. A stored plan fits. */
  runbook(ref: RunbookRef): KnownRunbook | undefined | Promise<KnownRunbook | undefined>;
}

export type LoadResult =
  | {
      readonly ok: true;
      readonly workflow: Workflow;
      readonly plan: Plan;
      readonly planDigest: Digest;
      /** SHA-256 of `canonicalManifest`: the version's identity. */
      readonly manifestDigest: Digest;
      /** RFC 8785. */
      readonly canonicalManifest: string;
      /** Warnings. */
      readonly diagnostics: readonly LocatedDiagnostic[];
    }
  | { readonly ok: false; readonly diagnostics: readonly LocatedDiagnostic[] };

/**
 * From the bytes of a manifest to its plan, with everything that is to say about it at once, in the order of the file.
 * `file` is only named in diagnostics. Never rejects for what is wrong with the manifest.
 */
export async function loadManifest(bytes: Uint8Array | string, file: string, env: ManifestEnv): Promise<LoadResult> {
  const source = readSource(bytes);
  const locator = new Locator(source, file);
  if (source.value === undefined) {
    return {
      ok: false,
      diagnostics: locator.sort(
        source.problems.map(({ offset, length, ...problem }) =>
          locator.at({ offset, length }, { severity: "error", path: [], ...problem }),
        ),
      ),
    };
  }
  const parsed = parseManifest(source.value);
  if ("problems" in parsed) return { ok: false, diagnostics: locator.finish(parsed.problems) };
  const { workflow } = parsed;
  const canonicalManifest = canonical(source.value satisfies JsonValue);
  const manifestDigest = sha256(canonicalManifest);
  const schedules = checkSchedules(workflow);
  const compiled = compile(workflow, manifestDigest, {
    taskTypes: env.taskTypes,
    runbook: await lookUp(workflow, env),
  });
  if ("problems" in compiled || schedules.length > 0) {
    return {
      ok: false,
      diagnostics: locator.finish([...("problems" in compiled ? compiled.problems : compiled.warnings), ...schedules]),
    };
  }
  const { plan, warnings } = compiled;
  return {
    ok: true,
    workflow,
    plan,
    planDigest: digestOf(plan as unknown as JsonValue),
    manifestDigest,
    canonicalManifest,
    diagnostics: locator.finish(warnings),
  };
}

/** Compiling is pure and does not wait, so the runbooks are looked up before. */
async function lookUp(workflow: Workflow, env: ManifestEnv): Promise<CompileEnv["runbook"]> {
  const found = new Map<string, KnownRunbook | undefined>();
  for (const use of workflow.tasks.flatMap((task) => [
    task.uses,
    ...(task.undo === undefined ? [] : [task.undo.uses]),
  ])) {
    if (use.kind !== "runbook" || found.has(JSON.stringify(use.ref))) continue;
    found.set(JSON.stringify(use.ref), await env.runbook(use.ref));
  }
  return (ref) => found.get(JSON.stringify(ref));
}

/** Gives diagnostics their lines and columns. */
class Locator {
  readonly #source: Source;
  readonly #file: string;
  readonly #starts: readonly number[];

  constructor(source: Source, file: string) {
    this.#source = source;
    this.#file = file;
    this.#starts = [0, ...Array.from(source.text.matchAll(/\r\n|\r|\n/g), (match) => match.index + match[0].length)];
  }

  /** Located, with what comments ignore left out, in the order of the file. */
  finish(diagnostics: readonly Diagnostic[]): readonly LocatedDiagnostic[] {
    const located = diagnostics.map((one) =>
      this.at(
        this.#source.locate(one.path, {
          ...(one.key === true ? { key: true } : {}),
          ...(one.span === undefined ? {} : { span: one.span }),
        }),
        one,
      ),
    );
    const { kept, problems } = applyIgnores(located, this.#source.comments, {
      lineOf: (offset) => this.#line(offset),
      isBlank: (line) => this.#isBlank(line),
    });
    const ignores = problems.map((one) =>
      this.at(one, { rule: "WF055", severity: "warning", path: [], message: one.message }),
    );
    return this.sort([...kept, ...ignores]);
  }

  sort(diagnostics: readonly LocatedDiagnostic[]): readonly LocatedDiagnostic[] {
    return diagnostics.toSorted(
      (a, b) => a.line - b.line || a.column - b.column || (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0),
    );
  }

  at(place: Place, diagnostic: Diagnostic): LocatedDiagnostic {
    const line = this.#line(place.offset);
    const end = this.#line(place.offset + place.length);
    const start = this.#starts[line - 1] ?? 0;
    return {
      ...diagnostic,
      file: this.#file,
      line,
      column: place.offset - start + 1,
      endLine: end,
      endColumn: place.offset + place.length - (this.#starts[end - 1] ?? 0) + 1,
      snippet: this.#text(line),
    };
  }

  #line(offset: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  #text(line: number): string {
    return this.#source.text
      .slice(this.#starts[line - 1] ?? 0, this.#starts[line] ?? this.#source.text.length)
      .replace(/[\r\n]+$/, "");
  }

  /** Holds nothing but white space and a comment. Lines after the last do not. */
  #isBlank(line: number): boolean {
    return line <= this.#starts.length && /^\s*(#.*)?$/.test(this.#text(line));
  }
}
