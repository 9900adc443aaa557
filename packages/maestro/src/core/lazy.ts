import type { CelList, CelMap, CelUint, CelValue } from "@bufbuild/cel";
import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { noteMiss } from "./meter.ts";

/**
 * A value ready for expressions. Opaque: make it with `prepare…`, hand it to `evaluate`. Lists and objects stay what
 * they are and are looked into only where an expression reads, so preparing costs nothing however large the value.
 */
export type Prepared = CelValue;

/** JSON for expressions: whole numbers become `int`, others `double`. */
export function prepare(value: JsonValue): Prepared {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== "object" || value === null) return value;
  return isJsonObject(value) ? asMap(new JsonMap(value)) : asList(new JsonList(value));
}

// The library recognises lists and maps by these registered symbols and declares them so that TypeScript refuses other
// implementations; ours are lazy, which no list of the library's own can be. Checked against its version by expression.test.ts.
const LIST = Symbol.for("@bufbuild/cel/list");
const MAP = Symbol.for("@bufbuild/cel/map");

export function asList(list: LazyList): CelList {
  return list as unknown as CelList;
}

export function asMap(map: LazyMap): CelMap {
  return map as unknown as CelMap;
}

abstract class LazyList {
  readonly [LIST] = true;
  abstract readonly size: number;
  protected abstract at(index: number): Prepared;

  get(index: number): Prepared | undefined {
    if (Number.isInteger(index) && index >= 0 && index < this.size) return this.at(index);
    return noteMiss({ key: String(index), known: () => [], size: this.size });
  }

  *values(): IterableIterator<Prepared> {
    for (let i = 0; i < this.size; i++) yield this.at(i);
  }

  [Symbol.iterator](): IterableIterator<Prepared> {
    return this.values();
  }
}

/** A JSON array; `raw` is handed back untouched when it is an expression's result. */
export class JsonList extends LazyList {
  readonly raw: readonly JsonValue[];

  constructor(raw: readonly JsonValue[]) {
    super();
    this.raw = raw;
  }

  get size(): number {
    return this.raw.length;
  }

  protected at(index: number): Prepared {
    return prepare(this.raw[index] ?? null);
  }
}

export class MappedList<T> extends LazyList {
  readonly #source: readonly T[];
  readonly #map: (element: T) => Prepared;

  constructor(source: readonly T[], map: (element: T) => Prepared) {
    super();
    this.#source = source;
    this.#map = map;
  }

  get size(): number {
    return this.#source.length;
  }

  protected at(index: number): Prepared {
    return this.#map(this.#source[index] as T);
  }
}

/**
 * What `+` makes of lists. `map` and `filter` append one element per round, so lists that grew from one another share
 * a buffer: each sees its own first `size` elements, and n appends cost n, not n².
 */
export class BuiltList extends LazyList {
  readonly size: number;
  readonly #buffer: Prepared[];

  private constructor(buffer: Prepared[], size: number) {
    super();
    this.#buffer = buffer;
    this.size = size;
  }

  /** Also tells how many elements were moved. */
  static concat(a: CelList, b: CelList): { readonly list: CelList; readonly moved: number } {
    const grows = a instanceof BuiltList && a.#buffer.length === a.size;
    const buffer = grows ? a.#buffer : Array.from(a);
    for (const element of b) buffer.push(element);
    return { list: asList(new BuiltList(buffer, a.size + b.size)), moved: b.size + (grows ? 0 : a.size) };
  }

  protected at(index: number): Prepared {
    return this.#buffer[index] as Prepared;
  }
}

export type Key = bigint | string | boolean | number | CelUint;

abstract class LazyMap {
  readonly [MAP] = true;
  protected abstract names(): readonly string[];
  protected abstract read(name: string): Prepared | undefined;

  get size(): number {
    return this.names().length;
  }

  get(key: Key): Prepared | undefined {
    const value = typeof key === "string" ? this.read(key) : undefined;
    if (value !== undefined) return value;
    return noteMiss({ key: typeof key === "object" ? String(key.value) : String(key), known: () => this.names() });
  }

  has(key: Key): boolean {
    return typeof key === "string" && this.read(key) !== undefined;
  }

  keys(): MapIterator<string> {
    return new Set(this.names()).values();
  }

  *values(): IterableIterator<Prepared> {
    for (const [, value] of this.entries()) yield value;
  }

  *entries(): IterableIterator<[string, Prepared]> {
    for (const name of this.names()) {
      const value = this.read(name);
      if (value !== undefined) yield [name, value];
    }
  }

  [Symbol.iterator](): IterableIterator<[string, Prepared]> {
    return this.entries();
  }

  forEach(callback: (value: Prepared, key: string, map: LazyMap) => void): void {
    for (const [name, value] of this.entries()) callback(value, name, this);
  }
}

/** A JSON object; `raw` is handed back untouched when it is an expression's result. */
export class JsonMap extends LazyMap {
  readonly raw: JsonObject;

  constructor(raw: JsonObject) {
    super();
    this.raw = raw;
  }

  protected names(): readonly string[] {
    return Object.keys(this.raw);
  }

  protected read(name: string): Prepared | undefined {
    return Object.hasOwn(this.raw, name) ? prepare(this.raw[name] ?? null) : undefined;
  }
}

/** Named values that are made when they are read. */
export class Fields extends LazyMap {
  readonly #names: readonly string[];
  readonly #read: (name: string) => Prepared | undefined;

  constructor(names: readonly string[], read: (name: string) => Prepared | undefined) {
    super();
    this.#names = names;
    this.#read = read;
  }

  protected names(): readonly string[] {
    return this.#names;
  }

  protected read(name: string): Prepared | undefined {
    return this.#read(name);
  }
}
