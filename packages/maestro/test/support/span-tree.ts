import assert from "node:assert/strict";

/** What a tree is drawn from: spans as the engine makes them, or as a receiver of OTLP got them. */
export interface Node {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly startAt: number;
  readonly endAt: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly failure: string | undefined;
}

/**
 * The spans as indented lines, `name: result (code)`, children by their start. Asserts that they are one tree: one trace, one
 * root, no id twice, nobody without a parent, nothing that ends before it starts.
 */
export function treeOf(spans: readonly Node[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  assert.equal(byId.size, spans.length, "each span has an id of its own");
  assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1, "one trace");
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined || !byId.has(parentSpanId));
  assert.deepEqual(
    roots.map(({ name }) => name).slice(1),
    [],
    `one root, not also these: ${roots.map(({ name, parentSpanId }) => `${name} below ${parentSpanId}`).join(", ")}`,
  );
  for (const { name, startAt, endAt } of spans) assert.ok(startAt <= endAt, `${name} ends before it starts`);
  const lines: string[] = [];
  const draw = (span: Node, depth: number): void => {
    lines.push("  ".repeat(depth) + lineOf(span));
    const below = spans.filter(({ parentSpanId }) => parentSpanId === span.spanId);
    for (const child of below.toSorted((a, b) => a.startAt - b.startAt || (lineOf(a) < lineOf(b) ? -1 : 1)))
      draw(child, depth + 1);
  };
  for (const root of roots) draw(root, 0);
  assert.equal(lines.length, spans.length, "no span is left over");
  return lines;
}

function lineOf({ name, attributes, failure }: Node): string {
  const result = attributes["cicd.pipeline.result"] ?? attributes["cicd.pipeline.task.run.result"];
  const number = attributes["maestro.attempt"] ?? attributes["maestro.item"];
  const code = attributes["error.type"];
  assert.equal(failure !== undefined, code !== undefined, `${name}: a failure has a type`);
  return `${name}${number === undefined ? "" : ` ${number}`}: ${result}${code === undefined ? "" : ` (${code})`}`;
}
