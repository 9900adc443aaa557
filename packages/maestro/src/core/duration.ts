const UNIT_MS = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** The longest duration there is: 100 years. A larger one is a slip of the pen, and timers would overflow. */
const MAX_DURATION_MS = 36_525 * UNIT_MS.d;

/** Units at most once each, from large to small; `ms` is tried before `m` because nothing but a digit may follow a unit. */
const DURATION = /^(?:(\d{1,15})w)?(?:(\d{1,15})d)?(?:(\d{1,15})h)?(?:(\d{1,15})m)?(?:(\d{1,15})s)?(?:(\d{1,15})ms)?$/;

/**
 * Milliseconds of a duration such as `30s`, `1h30m`, `250ms` or `2d`: whole numbers with the units w, d, h, m, s, ms,
 * each at most once and from large to small. `0s` is valid. Undefined for anything else, and for more than 100 years.
 */
export function parseDuration(text: string): number | undefined {
  const match = text === "" ? null : DURATION.exec(text);
  if (match === null) return undefined;
  let ms = 0;
  for (const [i, unit] of (["w", "d", "h", "m", "s", "ms"] as const).entries())
    ms += Number(match[i + 1] ?? 0) * UNIT_MS[unit];
  return ms <= MAX_DURATION_MS ? ms : undefined;
}

/** The shortest text that `parseDuration` reads back as the same number; fractions of a millisecond are dropped. Weeks are written as days. */
export function formatDuration(ms: number): string {
  let rest = Math.max(0, Math.floor(ms));
  if (rest === 0) return "0s";
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"] as const) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    rest -= count * UNIT_MS[unit];
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}

/** What a duration looks like, for JSON Schemas and messages. */
export const DURATION_PATTERN = "^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
