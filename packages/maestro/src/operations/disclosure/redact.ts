import { setImmediate } from "node:timers/promises";
import type { Tokens } from "../../core/json-pointer.ts";
import { membersOf, valueAt, writePointer } from "../../core/json-pointer.ts";
import type { JsonValue } from "../../core/json.ts";
import { isJsonObject } from "../../core/json.ts";
import { MaestroError } from "../../core/problem.ts";
import { hide } from "../../core/redaction.ts";
import type { RevealedField } from "../../core/redaction.ts";
import type { Redaction } from "../../provenance/disclosure/form.ts";
import type { Document } from "./documents.ts";
import { isDataAt } from "./documents.ts";
import { Traces } from "./traces.ts";
import { cannotBeDone, hitsNothing, placesOf } from "./wishes.ts";
import type { Wish } from "./wishes.ts";

/** Places that something is taken out of, in one package. */
const MAX_PLACES = 50_000;

export interface Redacted {
  /** In the order they came, less what was taken out. */
  readonly documents: readonly Document[];
  /** Sorted by path and pointer. */
  readonly redactions: readonly Redaction[];
  readonly fields: readonly RevealedField[];
  /** What must not stand anywhere else in the package. */
  readonly traces: Traces;
}

interface Chosen {
  readonly tokens: Tokens;
  readonly by: Redaction["by"];
}

/**
 * Takes out what the wishes mean, and whatever else in the evidence has one of the values that were taken out: a value
 * that is hidden in the inputs and stands in a task's output is not hidden. Errors: `invalid_request`, `limit_exceeded`.
 */
export async function redactDocuments(
  documents: readonly Document[],
  wishes: readonly Wish[],
  salt: (path: string, pointer: string) => string,
): Promise<Redacted> {
  const chosen = new Map<string, Chosen[]>(documents.map(({ path }) => [path, []]));
  for (const wish of wishes) {
    let hits = 0;
    for (const document of documents)
      for (const tokens of placesOf(wish, document)) {
        hits += 1;
        chosen.get(document.path)!.push({ tokens: whole(document, tokens, wish), by: wish.by });
      }
    if (hits === 0 && wish.mustHit) throw hitsNothing(wish, documents);
    await setImmediate();
  }
  const by = wishes.every((wish) => wish.by === "policy") ? "policy" : "request";
  const traces = await addTraces(documents, chosen, by);
  const redactions: Redaction[] = [];
  const fields: RevealedField[] = [];
  const rest: Document[] = [];
  for (const document of documents) {
    const { path } = document;
    const places = outermost(chosen.get(path)!);
    const hidden = hide(
      document.value,
      places.map(({ tokens }) => tokens),
      { path, salt: (pointer) => salt(path, pointer) },
    );
    rest.push({ ...document, value: hidden.document });
    fields.push(...hidden.fields);
    redactions.push(...places.map(({ tokens, by }) => ({ path, pointer: writePointer(tokens), by })));
    await setImmediate();
  }
  return { documents: rest, redactions, fields, traces };
}

/** The document as a whole has no place in itself that could hold a marker where it is a list of lines. */
function whole({ path, prefix }: Document, tokens: Tokens, { rule }: Wish): Tokens {
  if (tokens.length > 0) return tokens;
  const error = new MaestroError(
    "invalid_request",
    `A redaction means all of ${path}. Name what is to be taken out of it, as ${writePointer([...prefix, "*"])}.`,
  );
  throw rule === undefined ? error : cannotBeDone(rule, error);
}

/** Goes on until nothing new is found: what is taken out with an object that had to go may stand elsewhere, too. */
async function addTraces(
  documents: readonly Document[],
  chosen: Map<string, Chosen[]>,
  by: Redaction["by"],
): Promise<Traces> {
  const valuesOf = (): readonly JsonValue[] =>
    documents.flatMap(({ path, value }) =>
      outermost(chosen.get(path)!).flatMap(({ tokens }) => valueAt(value, tokens) ?? []),
    );
  /** Texts that went because a value stands in them are no values themselves: a line of a log would be looked for as a whole. */
  const seeds = [...valuesOf()];
  for (let traces = Traces.of(seeds); ; traces = Traces.of(seeds)) {
    if (traces.isEmpty) return traces;
    let isNew = false;
    for (const { path, prefix, value } of documents) {
      const places = chosen.get(path)!;
      const taken = new Set(places.map(({ tokens }) => writePointer(tokens)));
      for (const found of tracesIn(traces, value, prefix, [], taken)) {
        places.push({ tokens: found.tokens, by });
        if (typeof found.value !== "object" || found.value === null) continue;
        seeds.push(found.value);
        isNew = true;
      }
      if (places.length > MAX_PLACES)
        throw new MaestroError("limit_exceeded", `More than ${MAX_PLACES} places would have to be taken out.`, {
          fix: "Disclose fewer runs at once, or redact less: `maestro receipt disclose` without the values that stand everywhere.",
        });
      await setImmediate();
    }
    if (!isNew) return traces;
  }
}

/** Texts that hold a value, and objects that have one as a name; what was taken out already is passed over. */
function* tracesIn(
  traces: Traces,
  value: JsonValue,
  prefix: Tokens,
  at: Tokens,
  taken: ReadonlySet<string>,
): Generator<{ readonly tokens: Tokens; readonly value: JsonValue }> {
  if (taken.size > 0 && at.length > 0 && taken.has(writePointer(at))) return;
  if (typeof value === "string" || typeof value === "number") {
    if (at.length > 0 && traces.areIn(String(value))) yield { tokens: at, value };
    return;
  }
  if (at.length > 0 && isJsonObject(value) && isDataAt([...prefix, ...at])) {
    if (Object.keys(value).some((name) => traces.areIn(name))) {
      yield { tokens: at, value };
      return;
    }
  }
  for (const [name, inner] of membersOf(value)) yield* tracesIn(traces, inner, prefix, [...at, name], taken);
}

/** Each place once, none within another, in the order of their pointers. What a policy wanted is said to be the policy's. */
function outermost(chosen: readonly Chosen[]): readonly Chosen[] {
  const byPointer = new Map<string, Chosen>();
  for (const one of chosen) {
    const pointer = writePointer(one.tokens);
    if (byPointer.get(pointer)?.by !== "policy") byPointer.set(pointer, one);
  }
  const sorted = [...byPointer].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.flatMap(([, one]) =>
    one.tokens.some((_, i) => i > 0 && byPointer.has(writePointer(one.tokens.slice(0, i)))) ? [] : [one],
  );
}
