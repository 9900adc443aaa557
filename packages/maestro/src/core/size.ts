const UNIT = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;

/** What a size looks like, for JSON Schemas and messages. */
export const SIZE_PATTERN = "^[0-9]{1,12}(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$";

/** Bytes of a size such as `512MiB` or `2GB`; undefined for anything else, and for more than 2^53 - 1. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,12})(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * UNIT[match[2] as keyof typeof UNIT];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
