import type { Actor, Decision } from "../core/event.ts";
import type { JsonValue } from "../core/json.ts";

/**
 * Asks the policy decision point. Whatever goes wrong is a deny whose reasons say so: a gate never throws. An in-process
 * evaluator answers at once, a remote one with a promise.
 */
export interface Gate {
  decide(request: GateRequest, occasion: Occasion): Decision | Promise<Decision>;
}

/**
 * OpenID AuthZEN Authorization API 1.0: subject, action, resource, context. It holds what a policy may look at and nothing
 * that differs from one moment to the next, so that equal requests have equal digests and one answer serves them all.
 */
export type GateRequest = {
  readonly subject: GateSubject;
  readonly action: { readonly name: string; readonly properties?: Properties };
  readonly resource: GateResource;
  readonly context: {
    /** Why, in a word the resource knows; "" where none is given. */
    readonly purpose: string;
    /** Under which mandate: a ticket, an approval, a legal basis; "" where none is given. */
    readonly authority: string;
    readonly [key: string]: JsonValue;
  };
};

export type GateSubject = {
  readonly type: Actor["type"];
  readonly id: string;
  /** `roles`: those it has in the namespace of the resource. Of an identity provider also `iss`, `acr`, `amr`, `org`, `clearance`. */
  readonly properties: { readonly roles: readonly string[]; readonly [key: string]: JsonValue };
};

export type GateResource = {
  /** `runbook`, `task`, `run`, `receipt`, `namespace`, `installation`, ... */
  readonly type: string;
  readonly id: string;
  readonly properties: { readonly namespace: string; readonly [key: string]: JsonValue };
};

export type Properties = Readonly<Record<string, JsonValue>>;

/** How the reason of a deny begins that no policy decided. */
export const NO_ANSWER = "the policy decision point failed";

/** When and where it is asked: for the record and for remote decision points, never for what an answer is remembered by. */
export interface Occasion {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly run?: string;
  readonly task?: string;
  /** The correlation id of the request. */
  readonly request?: string;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** Whoever asks answers with JSON and takes out of it what the decision says is to be hidden. */
  readonly redacts?: boolean;
}
