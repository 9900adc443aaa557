/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON Schema as it is written: `defineTask` keeps its literals. `{}` allows everything. */
export type Schema = { readonly [keyword: string]: unknown };

/**
 * The values that a JSON Schema literal allows, as far as TypeScript can say it: `const`, `enum`, the types (also
 * several), `properties` with `required`, `additionalProperties`, `items`, `prefixItems`, `anyOf`, `oneOf`, `allOf`.
 * What else a schema says (lengths, patterns, numbers' ranges) is checked when a task runs and is not part of the type;
 * `$ref` gives `Json`.
 */
export type FromSchema<S> = S extends { readonly const: infer C }
  ? C
  : S extends { readonly enum: readonly (infer E)[] }
    ? E
    : S extends { readonly anyOf: readonly (infer Any)[] }
      ? Union<Any, S>
      : S extends { readonly oneOf: readonly (infer One)[] }
        ? Union<One, S>
        : S extends { readonly allOf: readonly [...infer All] }
          ? Both<All> & OwnType<S>
          : S extends { readonly type: readonly (infer T)[] }
            ? T extends unknown
              ? OfType<S, T>
              : never
            : S extends { readonly type: infer T }
              ? OfType<S, T>
              : Json;

type OfType<S, T> = T extends "string"
  ? string
  : T extends "number" | "integer"
    ? number
    : T extends "boolean"
      ? boolean
      : T extends "null"
        ? null
        : T extends "array"
          ? OfArray<S>
          : T extends "object"
            ? OfObject<S>
            : Json;

type OfArray<S> = S extends { readonly prefixItems: readonly [...infer Parts]; readonly items: false }
  ? { readonly [I in keyof Parts]: FromSchema<Parts[I]> }
  : S extends { readonly items: infer Items }
    ? readonly FromSchema<Items>[]
    : readonly Json[];

type OfObject<S> = S extends { readonly properties: infer P }
  ? Flat<
      { readonly [K in keyof P as K extends Required<S> ? K : never]: FromSchema<P[K]> } & {
        readonly [K in keyof P as K extends Required<S> ? never : K]?: FromSchema<P[K]>;
      } & Rest<S>
    >
  : S extends { readonly additionalProperties: infer A }
    ? A extends false
      ? { readonly [key: string]: never }
      : { readonly [key: string]: FromSchema<A> }
    : { readonly [key: string]: Json };

/** Members beyond `properties`: none, unless the schema asks for them by name. */
type Rest<S> = S extends { readonly additionalProperties: true } ? { readonly [key: string]: Json } : unknown;

type Required<S> = S extends { readonly required: readonly (infer R)[] } ? R : never;

/** An alternative of a union, together with what stands beside `anyOf`. */
type Union<Part, S> = Part extends unknown ? FromSchema<Part> & OwnType<S> : never;

/** What `type` and `properties` beside `anyOf`, `oneOf` or `allOf` add. */
type OwnType<S> = S extends { readonly type: infer T; readonly properties: object } ? OfType<S, T> : unknown;

type Both<All> = All extends readonly [infer First, ...infer Others] ? FromSchema<First> & Both<Others> : unknown;

/** One object type in messages and hints, not an intersection of three. */
type Flat<T> = { [K in keyof T]: T[K] };
