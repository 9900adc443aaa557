import {
  type CelFunc,
  type CelList,
  type CelMap,
  CelScalar,
  type CelValue,
  celEnv,
  celFunc,
  celMethod,
  celType,
  isCelList,
  isCelMap,
  isCelType,
  isCelUint,
  listType,
} from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { RE2JS } from "re2js";
import { RANGE } from "./cel-ast.ts";
import { charge, EXPRESSION_LIMITS, LimitExceeded } from "./meter.ts";
import { BuiltList, JsonList, JsonMap } from "./lazy.ts";
import { FanOut } from "./scope.ts";

const { BOOL, DOUBLE, DYN, INT, STRING } = CelScalar;
const LIST = listType(DYN);

const STANDARD = celEnv({ funcs: [...strings] }).funcs;

/**
 * The functions that expressions can call: CEL's own and its string extensions, each metered, with what is ours put in
 * place: mixed int and double arithmetic (JSON knows one kind of number), comparisons and lists that are charged,
 * regular expressions by RE2, and text functions whose cost stays linear.
 */
export const ENVIRONMENT = celEnv({
  funcs: [
    ...[...STANDARD].map(meteredFunction),
    ...[
      ...mixedArithmetic(),
      celFunc("_==_", [DYN, DYN], BOOL, (a, b) => equal(a, b)),
      celFunc("_!=_", [DYN, DYN], BOOL, (a, b) => !equal(a, b)),
      celFunc("@in", [DYN, LIST], BOOL, (value, list) => contains(list, value)),
      celFunc("_+_", [LIST, LIST], LIST, (a, b) => {
        const { list, moved } = BuiltList.concat(a, b);
        charge(moved);
        return list;
      }),
      celFunc(RANGE, [DYN], DYN, range),
      celMethod("matches", STRING, [STRING], BOOL, function (pattern) {
        return matches(this, pattern);
      }),
      celMethod("replace", STRING, [STRING, STRING], STRING, function (find, by) {
        return replace(this, find, by, Infinity);
      }),
      celMethod("replace", STRING, [STRING, STRING, INT], STRING, function (find, by, count) {
        return replace(this, find, by, count < 0n ? Infinity : Number(count));
      }),
      celMethod("format", STRING, [LIST], STRING, format),
      celFunc("int", [STRING], INT, integer),
      celFunc("double", [STRING], DOUBLE, double),
    ].map(meteredFunction),
    ...[...new Set([...STANDARD].map((f) => f.name))].map(lastResort),
  ],
});

const NAMES: ReadonlySet<string> = new Set([
  ...[...ENVIRONMENT.funcs].map((f) => f.name),
  "_[_]",
  "_?_:_",
  "_&&_",
  "_||_",
  "@not_strictly_false",
]);

export function isFunction(name: string): boolean {
  return NAMES.has(name);
}

/** Names a person can write, for suggestions. The macros are no functions, but people misspell them the same way. */
export const CALLABLE: readonly string[] = [
  ...[...NAMES].filter((name) => /^[a-z]/i.test(name)),
  "has",
  "all",
  "exists",
  "exists_one",
  "map",
  "filter",
];

function meteredFunction(original: CelFunc): CelFunc {
  const call: CelFunc["call"] = (id, target, args) => {
    const result = original.call(id, target, args);
    if (result === undefined) return undefined;
    // What a function throws becomes an error value, which `||` may swallow; a limit must end the evaluation.
    if (result instanceof Error && result.cause instanceof LimitExceeded) throw result.cause;
    settle(target, args, result);
    return result;
  };
  // The library's functions are objects of classes it keeps to itself; a derived object is one of them, with another `call`.
  return Object.create(original, { call: { value: call } }) as CelFunc;
}

/** Asked when no overload fits, which makes an error: inside a loop that costs as well. */
function lastResort(name: string): CelFunc {
  const call: CelFunc["call"] = () => {
    charge(FAILURE_COST);
    return undefined;
  };
  return Object.create(
    celFunc(name, [], DYN, () => null),
    { call: { value: call }, id: { value: `${name}(?)` } },
  ) as CelFunc;
}

const FAILURE_COST = 16;

function settle(target: unknown, args: readonly unknown[], result: unknown): void {
  let cost = 1 + textCost(target);
  for (const arg of args) cost += textCost(arg);
  // Only `split` makes a long list in one call; `+` has been charged for what it moved.
  if (isCelList(result) && !(result instanceof BuiltList)) cost += result.size >>> 2;
  charge(cost);
  if ((typeof result === "string" || result instanceof Uint8Array) && result.length > EXPRESSION_LIMITS.stringLength)
    tooLong();
}

function textCost(value: unknown): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length >>> 6 : 0;
}

function tooLong(): never {
  throw new LimitExceeded(`builds a text longer than ${EXPRESSION_LIMITS.stringLength} characters`);
}

function mixedArithmetic(): CelFunc[] {
  const operators: readonly (readonly [string, (a: number, b: number) => number])[] = [
    ["_+_", (a, b) => a + b],
    ["_-_", (a, b) => a - b],
    ["_*_", (a, b) => a * b],
    ["_/_", (a, b) => a / b],
    ["_%_", (a, b) => a % b],
  ];
  return operators.flatMap(([name, apply]) => [
    celFunc(name, [INT, DOUBLE], DOUBLE, (a, b) => apply(Number(a), b)),
    celFunc(name, [DOUBLE, INT], DOUBLE, (a, b) => apply(a, Number(b))),
    ...(name === "_%_" ? [celFunc(name, [DOUBLE, DOUBLE], DOUBLE, apply)] : []),
  ]);
}

/** What a comprehension runs over: charged before the library makes an array of it. A task that fans out is its items. */
function range(value: CelValue): CelValue {
  const list = value instanceof FanOut ? (value as FanOut).items : value;
  if (isCelList(list) || isCelMap(list)) charge(list.size);
  return list;
}

/** CEL equality (langdef, "Equality"): numbers by value whatever their kind, lists and maps by content. Charged per part. */
function equal(a: CelValue, b: CelValue): boolean {
  charge(1);
  if (a === b) return true;
  if (typeof a === "string" && typeof b === "string") return false;
  const x = isCelUint(a) ? a.value : a;
  const y = isCelUint(b) ? b.value : b;
  // oxlint-disable-next-line eqeqeq -- the loose form is the one that compares bigint with number by value.
  if (isNumeric(x) && isNumeric(y)) return x == y;
  if (isCelList(x)) return isCelList(y) && equalLists(x, y);
  if (isCelMap(x)) return isCelMap(y) && equalMaps(x, y);
  if (x instanceof Uint8Array)
    return y instanceof Uint8Array && x.length === y.length && x.every((byte, i) => byte === y[i]);
  if (isCelType(x)) return isCelType(y) && x.name === y.name;
  return (
    isTimelike(x) &&
    isTimelike(y) &&
    celType(x).name === celType(y).name &&
    x.message.seconds === y.message.seconds &&
    x.message.nanos === y.message.nanos
  );
}

function isNumeric(value: CelValue): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function equalLists(a: CelList, b: CelList): boolean {
  if (a.size !== b.size) return false;
  if (a instanceof JsonList && b instanceof JsonList && (a as JsonList).raw === (b as JsonList).raw) return true;
  for (let i = 0; i < a.size; i++) {
    const x = a.get(i);
    const y = b.get(i);
    if (x === undefined || y === undefined || !equal(x, y)) return false;
  }
  return true;
}

function equalMaps(a: CelMap, b: CelMap): boolean {
  if (a.size !== b.size) return false;
  if (a instanceof JsonMap && b instanceof JsonMap && (a as JsonMap).raw === (b as JsonMap).raw) return true;
  for (const [key, x] of a) {
    const y = b.get(key);
    if (y === undefined || !equal(x, y)) return false;
  }
  return true;
}

function contains(list: CelList, value: CelValue): boolean {
  for (const element of list) if (equal(element, value)) return true;
  return false;
}

/** A moment or a duration, the only protobuf messages that expressions can hold. */
export interface Timelike {
  readonly message: { readonly seconds: bigint; readonly nanos: number };
}

export function isTimelike(value: unknown): value is Timelike & CelValue {
  return typeof value === "object" && value !== null && "message" in value && "desc" in value;
}

// Patterns are nearly always literals, met once per item of a list; compiling one costs more than a match.
const PATTERNS = new Map<string, RE2JS>();
const MAX_PATTERNS = 64;

function matches(text: string, pattern: string): boolean {
  if (pattern.length > EXPRESSION_LIMITS.pattern)
    throw new LimitExceeded(`uses a regular expression longer than ${EXPRESSION_LIMITS.pattern} characters`);
  // RE2 is linear in the text, with the size of the pattern as its factor.
  charge((text.length * (pattern.length + 1)) >>> 7);
  let compiled = PATTERNS.get(pattern);
  if (compiled === undefined) {
    if (PATTERNS.size >= MAX_PATTERNS) PATTERNS.clear();
    compiled = RE2JS.compile(pattern);
    PATTERNS.set(pattern, compiled);
  }
  return compiled.matcher(text).find();
}

/** The library's copies the whole text per hit. */
function replace(text: string, find: string, by: string, count: number): string {
  charge((text.length + by.length) >>> 6);
  const parts: string[] = [];
  let from = 0;
  let length = text.length;
  for (let done = 0; done < count; done++) {
    const at = text.indexOf(find, find === "" && done > 0 ? from + 1 : from);
    if (at === -1 || (find === "" && at < from)) break;
    charge(1);
    length += by.length - find.length;
    if (length > EXPRESSION_LIMITS.stringLength) tooLong();
    parts.push(text.slice(from, at), by);
    from = at + find.length;
    if (find === "" && from >= text.length) break;
  }
  parts.push(text.slice(from));
  return parts.join("");
}

const FORMAT = [...strings].find((f) => f.name === "format");

/** The library's `format`, after counting what it would write: lists that hold one another write themselves out. */
function format(this: string, args: CelList): string {
  weigh(args, { left: EXPRESSION_LIMITS.stringLength });
  const result = FORMAT?.call(0, this, [args]);
  if (typeof result !== "string") throw result instanceof Error ? result : new Error("`format` takes a list of values");
  return result;
}

function weigh(value: CelValue, budget: { left: number }): void {
  charge(1);
  budget.left -= typeof value === "string" ? value.length : 1;
  if (budget.left < 0) tooLong();
  if (isCelList(value)) for (const element of value) weigh(element, budget);
  else if (isCelMap(value)) for (const [, element] of value) weigh(element, budget);
}

/** CEL's own takes whatever BigInt reads: "", " 12 ", "0x10" and a million digits. */
function integer(text: string): bigint {
  if (!/^[+-]?\d{1,19}$/.test(text)) throw new Error(`"${text.slice(0, 40)}" is not a whole number`);
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  if (BigInt.asIntN(64, value) !== value) throw new Error(`"${text}" does not fit in 64 bits`);
  return value;
}

function double(text: string): number {
  const value = Number(text);
  if (text.trim() !== text || text === "" || Number.isNaN(value))
    throw new Error(`"${text.slice(0, 40)}" is not a number`);
  return value;
}
