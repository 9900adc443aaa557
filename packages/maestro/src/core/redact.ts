const HIDDEN = "[redacted]";

/** Names whose values are nobody's business. */
const SECRET_NAME =
  /(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|authorization|cookie|credential)/i;

/** What is known to be a secret by how it looks, and what stands in its place. Each is linear in the text. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, HIDDEN],
  [/\b(Bearer|Basic|Digest)\s+[A-Za-z0-9._~+/=-]{6,}/gi, `$1 ${HIDDEN}`],
  [/(\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@"'<>]{1,500}@/gi, `$1${HIDDEN}@`],
  [/\bey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, HIDDEN],
  [/\bmaestro_[A-Za-z0-9_-]{20,}/g, HIDDEN],
  [/\b(?:gh[pousr]_|github_pat_|glpat-|npm_|xox[abeoprs]-|sk-|sk_live_|rk_live_)[A-Za-z0-9_-]{12,}/g, HIDDEN],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g, HIDDEN],
  [
    /((?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|authorization|sig(?:nature)?|credential)["']?\s{0,3}[=:]\s{0,3}["']?)(?!\[redacted\])[^\s"'&,;]{1,4096}/gi,
    `$1${HIDDEN}`,
  ],
];

/** The text without what looks like a secret. No promise: what nobody can tell from a word stays. */
export function redact(text: string): string {
  return PATTERNS.reduce((rest, [pattern, instead]) => rest.replaceAll(pattern, instead), text);
}

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** The value of a named field: nothing of it where the name says that it is a secret. */
export function redactField(name: string, value: string): string {
  return isSecretName(name) ? HIDDEN : redact(value);
}
