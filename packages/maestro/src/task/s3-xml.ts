/** An element of the XML that S3 answers with: text, or elements inside. Attributes and namespaces mean nothing there. */
export interface Element {
  readonly name: string;
  readonly text: string;
  readonly children: readonly Element[];
}

/** What was answered is no XML of the kind that S3 writes. */
export class XmlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "XmlError";
  }
}

const MAX_DEPTH = 16;
const MAX_ELEMENTS = 200_000;

/** One piece: a declaration, the end of an element, the begin of one (perhaps empty), or text. */
const PIECE =
  /<\?xml[^<>]*\?>|<\/([\w.:-]+)\s*>|<([\w.:-]+)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/**
 * Elements and text, and nothing that could refer to anything: a document type, a comment, CDATA or an entity that is
 * not built in is an XmlError, so what a stranger answers can neither expand nor reach out.
 */
export function parseXml(xml: string): Element {
  const root = open("");
  const stack = [root];
  let elements = 0;
  const pattern = new RegExp(PIECE);
  while (pattern.lastIndex < xml.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(xml);
    const top = stack.at(-1);
    if (match === null || top === undefined) throw new XmlError(`it is not understood from character ${at} on`);
    const [, ended, begun, , empty, text] = match;
    if (text !== undefined) top.text += unescaped(text);
    else if (begun !== undefined) {
      const element = open(localName(begun));
      top.children.push(element);
      if (++elements > MAX_ELEMENTS) throw new XmlError(`it has more than ${MAX_ELEMENTS} elements`);
      if (empty === "") stack.push(element);
      if (stack.length > MAX_DEPTH) throw new XmlError(`it is nested deeper than ${MAX_DEPTH} levels`);
    } else if (ended !== undefined && (stack.length < 2 || stack.pop()?.name !== localName(ended)))
      throw new XmlError(`</${ended}> ends what did not begin`);
  }
  const [document, ...others] = root.children;
  if (stack.length !== 1 || document === undefined || others.length > 0 || root.text.trim() !== "")
    throw new XmlError("it is not one whole element");
  return document;
}

/** The text of the first child of that name. */
export function textOf(element: Element, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

export function childrenOf(element: Element, name: string): readonly Element[] {
  return element.children.filter((child) => child.name === name);
}

/** Text for an element of our own. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

interface OpenElement extends Element {
  text: string;
  readonly children: OpenElement[];
}

function open(name: string): OpenElement {
  return { name, text: "", children: [] };
}

function localName(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

function unescaped(text: string): string {
  return text.replaceAll(/&([^;&\s]{0,12});?/g, (whole, name: string) => {
    const known = ENTITIES[name];
    if (known !== undefined && whole.endsWith(";")) return known;
    const [, hex, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name) ?? [];
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    if (!whole.endsWith(";") || !(code > 0 && code <= 0x10ffff)) throw new XmlError(`${whole} is not a known entity`);
    return String.fromCodePoint(code).toWellFormed();
  });
}
