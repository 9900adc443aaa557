import { isIPv6 } from "node:net";
import type { Caller } from "../identity/caller.ts";
import type { OpenStreams } from "./answered.ts";

/** How often and how many at once one identity may ask, and how often an address from where nobody proved to be anybody. */
export interface RateLimits {
  readonly identity: { readonly perSecond: number; readonly atOnce: number; readonly streams: number };
  readonly stranger: { readonly perSecond: number };
}

/** Generous: a program that asks one thing after the other never meets them, one that has run wild leaves room for others. */
export const DEFAULT_RATES: RateLimits = {
  identity: { perSecond: 5_000, atOnce: 256, streams: 250 },
  stranger: { perSecond: 50 },
};

/** Callers and addresses that are remembered; of more, the one that came first and is not in use is forgotten. */
const MAX_REMEMBERED = 10_000;

/** A request that may go on; `end` gives its place back. */
export interface Pass {
  readonly headers: Headed;
  end(): void;
  /** Of a caller who is known: the answers that go on, of which there may be one more. Else why not. */
  live?(): OpenStreams | Excess;
}

/** Too often, or too many at once. */
export interface Excess {
  readonly headers: Headed;
  readonly retryAfterSeconds: number;
  readonly why: string;
}

type Headed = readonly (readonly [name: string, value: string])[];

interface Bucket extends OpenStreams {
  tokens: number;
  at: number;
  working: number;
}

/**
 * A bucket for each identity and each address, which holds what may come in one second and is filled as fast. In memory: a
 * limit that outlives the process protects nobody. `now` is in milliseconds and only goes on.
 */
export class Rates {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limits: RateLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  identity(caller: Pick<Caller, "type" | "id">): Pass | Excess {
    const { perSecond, atOnce, streams } = this.#limits.identity;
    const bucket = this.#bucket(`${caller.type} ${caller.id}`, perSecond);
    if (bucket.working >= atOnce) {
      const why = `${atOnce} requests of ${caller.type} ${caller.id} are being answered at once, which is their limit.`;
      return { headers: headersOf("identity", perSecond, bucket), retryAfterSeconds: 1, why };
    }
    if (bucket.tokens < 1)
      return excess(
        "identity",
        perSecond,
        bucket,
        `${caller.type} ${caller.id} asks more than ${perSecond} times a second.`,
      );
    bucket.tokens -= 1;
    bucket.working += 1;
    let isOver = false;
    return {
      headers: headersOf("identity", perSecond, bucket),
      end() {
        if (!isOver) bucket.working -= 1;
        isOver = true;
      },
      live() {
        if (bucket.streams < streams) return bucket;
        const why = `${streams} live answers to ${caller.type} ${caller.id} are open, which is their limit.`;
        return { headers: headersOf("identity", perSecond, bucket), retryAfterSeconds: 1, why };
      },
    };
  }

  /** Of a request without a credential that is good. */
  stranger(address: string | undefined): Pass | Excess {
    const { perSecond } = this.#limits.stranger;
    const bucket = this.#bucket(`from ${networkOf(address ?? "")}`, perSecond);
    if (bucket.tokens < 1)
      return excess(
        "stranger",
        perSecond,
        bucket,
        `More than ${perSecond} requests a second come from this address that nobody answers for.`,
      );
    bucket.tokens -= 1;
    return { headers: headersOf("stranger", perSecond, bucket), end: () => undefined };
  }

  #bucket(key: string, perSecond: number): Bucket {
    const now = this.#now();
    const known = this.#buckets.get(key);
    if (known === undefined) {
      this.#makeRoom();
      const made: Bucket = { tokens: perSecond, at: now, working: 0, streams: 0 };
      this.#buckets.set(key, made);
      return made;
    }
    known.tokens = Math.min(perSecond, known.tokens + ((now - known.at) * perSecond) / 1000);
    known.at = now;
    return known;
  }

  /** The oldest of those that nothing is lost with: a bucket in use, or one that is empty, would come back full. */
  #makeRoom(): void {
    if (this.#buckets.size < MAX_REMEMBERED) return;
    let looked = 0;
    for (const [key, bucket] of this.#buckets) {
      this.#buckets.delete(key);
      if (isIdle(bucket) && bucket.tokens + (this.#now() - bucket.at) / 1000 >= 1) return;
      // It goes to the end; after a few there must be room all the same.
      if ((looked += 1) > 100 && isIdle(bucket)) return;
      this.#buckets.set(key, bucket);
    }
  }
}

function isIdle({ working, streams }: Bucket): boolean {
  return working === 0 && streams === 0;
}

function excess(policy: string, perSecond: number, bucket: Bucket, why: string): Excess {
  return { headers: headersOf(policy, perSecond, bucket), retryAfterSeconds: 1, why };
}

/** draft-ietf-httpapi-ratelimit-headers-10: the quota of a window of one second, what is left of it, and when it is whole again. */
function headersOf(policy: string, perSecond: number, { tokens }: Bucket): Headed {
  return [
    ["ratelimit-policy", `"${policy}";q=${perSecond};w=1`],
    ["ratelimit", `"${policy}";r=${Math.max(0, Math.floor(tokens))};t=1`],
  ];
}

/** Of IPv6 the first half: the second is the machine's to choose. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.toLowerCase().split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const whole =
    tail === undefined
      ? front
      : [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0"), ...back];
  return `${whole.slice(0, 4).join(":")}::/64`;
}
