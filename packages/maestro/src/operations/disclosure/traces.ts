import { placesIn } from "../../core/json-pointer.ts";
import type { JsonValue } from "../../core/json.ts";

/** A value of fewer characters stands in every text by chance; it is taken out where it was pointed at, and nowhere else. */
export const MIN_TRACE = 6;

/** From here on a text is gone through once for all forms together. */
const FEW = 40;

/** What is looked for once values were taken out: they themselves, and how they look where somebody encoded them. */
export class Traces {
  readonly #forms: readonly string[];
  readonly #byStart = new Map<string, string[]>();

  private constructor(forms: Iterable<string>) {
    this.#forms = [...new Set(forms)];
    for (const form of this.#forms) {
      const start = form.slice(0, MIN_TRACE);
      const others = this.#byStart.get(start);
      if (others === undefined) this.#byStart.set(start, [form]);
      else others.push(form);
    }
  }

  static of(values: readonly JsonValue[]): Traces {
    return new Traces(values.flatMap((value) => wordsOf(value)).flatMap(formsOf));
  }

  get isEmpty(): boolean {
    return this.#forms.length === 0;
  }

  /** The most characters that one of them has: by so many must the parts overlap in which a text is read. */
  get longest(): number {
    return this.#forms.reduce((most, form) => Math.max(most, form.length), 0);
  }

  areIn(text: string): boolean {
    // Six digits stand in one of many digests by chance.
    if (DIGEST.test(text)) return this.#forms.some((form) => form.length >= DIGEST_TRACE && text.includes(form));
    if (this.#forms.length <= FEW) return this.#forms.some((form) => text.includes(form));
    for (let i = 0; i + MIN_TRACE <= text.length; i++) {
      const forms = this.#byStart.get(text.slice(i, i + MIN_TRACE));
      if (forms?.some((form) => text.startsWith(form, i)) === true) return true;
    }
    return false;
  }

  /** For bytes that may be anything, read as Latin-1. */
  get inBytes(): Traces {
    const encodings = ["utf8", "utf16le"] as const;
    return new Traces(
      this.#forms.flatMap((form) => encodings.map((encoding) => Buffer.from(form, encoding).toString("latin1"))),
    );
  }
}

const DIGEST = /^(?:sha256:)?[0-9a-f]{64}$/;
const DIGEST_TRACE = 32;

/** Texts and numbers that are long enough to be told from chance. */
function wordsOf(value: JsonValue): readonly string[] {
  return [...placesIn(value)].flatMap(({ value: one }) => {
    if (typeof one !== "string" && typeof one !== "number") return [];
    const word = String(one);
    return word.length >= MIN_TRACE ? [word] : [];
  });
}

function formsOf(word: string): readonly string[] {
  const bytes = Buffer.from(word, "utf8");
  const escaped = JSON.stringify(word).slice(1, -1);
  const hex = bytes.toString("hex");
  const percent = encodeURIComponent(word.toWellFormed());
  return [
    word,
    escaped,
    // JSON within JSON.
    JSON.stringify(escaped).slice(1, -1),
    percent,
    percent.replaceAll("%20", "+"),
    word.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
    hex,
    hex.toUpperCase(),
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)),
  ];
}

/** What of a base64 text depends on these bytes alone, where `offset` others come before them in a group of three. */
function base64At(bytes: Buffer, offset: number): readonly string[] {
  const whole = Buffer.concat([Buffer.alloc(offset), bytes]);
  const from = Math.ceil((offset * 8) / 6);
  const to = Math.floor((whole.length * 8) / 6);
  return (["base64", "base64url"] as const).map((alphabet) => whole.toString(alphabet).slice(from, to));
}
