/**
 * What one evaluation may spend. CEL always terminates, but nested comprehensions over long lists and doubling
 * strings can outlive any deadline, so every function call, loop and comparison is charged against a budget.
 */
export class LimitExceeded extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LimitExceeded";
  }
}

export const EXPRESSION_LIMITS = {
  /** Characters of one expression's source. */
  sourceLength: 4096,
  /** Levels of nesting; `a.b.c` and `a + b + c` are one level each. */
  depth: 32,
  /** Links of one chain such as `a + b + c`. */
  chain: 256,
  /** Nodes of the syntax tree, after `all`, `map` and the like have become loops. */
  nodes: 4096,
  /** Loop rounds, calls and comparisons of one evaluation. */
  steps: 1_000_000,
  /** Characters of a string that an expression builds. */
  stringLength: 1_048_576,
  /** Characters of JSON of a result that the expression builds; a value that is only passed on is not counted. */
  resultSize: 1_048_576,
  /** Characters of a regular expression. */
  pattern: 1000,
} as const;

// Evaluation is synchronous and the library offers no place to carry a context to functions and lazy values,
// so the running evaluation's account is here; `metered` restores the outer one, should evaluations ever nest.
let left = Infinity;

/** A failed look-up makes an error, several times dearer than a step. */
const MISS_COST = 8;

let miss: Miss | undefined;

/** The last key or index that was looked up in vain: the material for "did you mean". */
export interface Miss {
  readonly key: string;
  readonly known: () => readonly string[];
  /** Of a list. */
  readonly size?: number;
}

export function metered<T>(steps: number, work: () => T): { readonly value: T; readonly miss: Miss | undefined } {
  const outerLeft = left;
  const outerMiss = miss;
  const outerTrace = Error.stackTraceLimit;
  left = steps;
  miss = undefined;
  // An error inside an expression is a value there, and a loop may meet a hundred thousand: a stack trace each is most of the cost.
  Error.stackTraceLimit = 0;
  try {
    const value = work();
    return { value, miss };
  } finally {
    Error.stackTraceLimit = outerTrace;
    left = outerLeft;
    miss = outerMiss;
  }
}

/** Takes steps from the running evaluation's account; throws LimitExceeded when it is empty. */
export function charge(steps: number): void {
  left -= steps;
  if (left < 0)
    throw new LimitExceeded("takes too many steps: loops over long lists, one inside the other, are the usual reason");
}

export function noteMiss(value: Miss): undefined {
  miss = value;
  charge(MISS_COST);
  return undefined;
}
