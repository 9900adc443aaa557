/** RFC 3339 section 5.6, upper or lower case T and Z; a leap second is refused, for no clock here can show it. */
const DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Epoch milliseconds of an RFC 3339 date-time with its offset; undefined for anything else, also for 30 February. */
export function parseDateTime(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  // Date.parse would roll 30 February over into March.
  if (month < 1 || month > 12 || day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined;
  const ms = Date.parse(text.toUpperCase());
  return Number.isNaN(ms) ? undefined : ms;
}

/**
 * RFC 3339 in UTC with milliseconds. What a turn writes shares its instants, and to write one takes 1 µs, so the last few are
 * remembered.
 */
export function writeDateTime(epochMs: number): string {
  const known = written.get(epochMs);
  if (known !== undefined) return known;
  if (written.size >= REMEMBERED) written.clear();
  const text = new Date(epochMs).toISOString();
  written.set(epochMs, text);
  return text;
}

const REMEMBERED = 64;
const written = new Map<number, string>();
