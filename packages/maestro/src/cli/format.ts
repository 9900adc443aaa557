/** Small values as people read them. */

/** The end of an id, enough to name it: `r_01ks…8k2f3a` is `8k2f3a`. What is printed can be typed back. */
export function shortId(id: string): string {
  return id.slice(-SHORT);
}

const SHORT = 6;

/** `sha256:9f2c81ab…`: enough to compare by eye. */
export function shortDigest(digest: string): string {
  return digest.startsWith("sha256:") ? `${digest.slice(0, 7 + 12)}…` : digest;
}

/** `0.4s`, `12s`, `2m41s`, `3h05m`, `2d4h`: two units at most. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)}d${hours % 24}h`;
}

/** `12s ago`, `3m ago`; one unit. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ago`;
  return `${Math.floor(seconds / 86_400)}d ago`;
}

/** UTC, to the second: `2026-11-21T12:01:07Z`. */
export function time(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
}

/** `12:01:07Z`, for lines that follow each other. */
export function clock(at: number): string {
  return time(at).slice(11);
}

/** `1 task`, `1,204 tasks`. */
export function count(n: number, noun: string): string {
  return `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** `1,204`. */
export function grouped(n: number): string {
  return String(n).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** `12 B`, `3.4 KiB`. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `$0.40`. */
export function usd(micros: number): string {
  return `$${(micros / 1_000_000).toFixed(2)}`;
}

/** `check`, or `check[3]` for an item. */
export function stepName({ task, item }: { readonly task: string; readonly item: number }): string {
  return item < 0 ? task : `${task}[${item}]`;
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}
