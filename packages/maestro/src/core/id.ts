/** Crockford base 32, lower case: no i, l, o, u, so an id can be read aloud. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * A sortable identifier: prefix, 9 characters of time (ms, good until the year 3084), 10 of randomness (50 bits).
 * `random` is at least 10 bytes from a cryptographic source; time and randomness are arguments so that core stays pure.
 */
export function makeId(prefix: "r" | "a" | "b" | "d" | "e" | "h" | "n" | "s", now: number, random: Uint8Array): string {
  let time = "";
  for (let rest = now, i = 0; i < 9; i++, rest = Math.floor(rest / 32)) time = ALPHABET.charAt(rest % 32) + time;
  let tail = "";
  for (let i = 0; i < 10; i++) tail += ALPHABET.charAt((random[i] ?? 0) & 31);
  return `${prefix}_${time}${tail}`;
}

/** When it was made, in epoch milliseconds; undefined for a text that is no such identifier. */
export function timeOfId(id: string): number | undefined {
  const digits = /^[a-z]_([0-9a-z]{9})[0-9a-z]{10}$/.exec(id)?.[1];
  if (digits === undefined) return undefined;
  let at = 0;
  for (const digit of digits) {
    const value = ALPHABET.indexOf(digit);
    if (value === -1) return undefined;
    at = at * 32 + value;
  }
  return at;
}
