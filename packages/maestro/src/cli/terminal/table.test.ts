import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tableLines, tabLines } from "./table.ts";
import type { Column } from "./table.ts";
import { displayWidth } from "./text.ts";

interface Row {
  readonly id: string;
  readonly name: string;
  readonly n: number;
}

const columns: readonly Column<Row>[] = [
  { head: "ID", value: ({ id }) => id, short: ({ id }) => id.slice(-3) },
  { head: "NAME", value: ({ name }) => name, flexible: true },
  { head: "N", value: ({ n }) => String(n), align: "right" },
];

const rows: readonly Row[] = [
  { id: "r_aaa", name: "release", n: 1 },
  { id: "r_bbb", name: "日本語のとても長い名前", n: 1200 },
  { id: "r_ccc", name: "tab\there\nand\x1b[2Jthere", n: 3 },
];

describe("tableLines()", () => {
  it("aligns columns, wide characters too", () => {
    assert.deepEqual(tableLines(columns, rows.slice(0, 2), 100), [
      "ID   NAME                       N",
      "aaa  release                    1",
      "bbb  日本語のとても長い名前  1200",
    ]);
  });

  it("stays inside the terminal by shortening what is flexible", () => {
    for (const width of [24, 30, 40])
      for (const line of tableLines(columns, rows, width))
        assert.ok(displayWidth(line) <= width, `${line} is wider than ${width}`);
  });

  it("writes nothing that a terminal obeys", () => {
    assert.match(tableLines(columns, rows, 100).join("\n"), /tab\\there\\nand\\x1b\[2Jthere/);
  });

  it("keeps columns where they are when cells are coloured", () => {
    const coloured = columns.map((column) => ({ ...column, decorate: (cell: string) => `<${cell}>` }));
    assert.deepEqual(
      tableLines(coloured, rows.slice(0, 2), 100).map((line) => line.replaceAll(/[<>]/g, "")),
      tableLines(columns, rows.slice(0, 2), 100),
    );
  });
});

describe("tabLines()", () => {
  it("gives whole values, one line per row, always the same number of tabs", () => {
    const lines = tabLines(columns, rows);
    assert.deepEqual(lines[0], "r_aaa\trelease\t1");
    for (const line of lines) assert.equal(line.split("\t").length, 3);
    for (const line of lines) assert.doesNotMatch(line, /\n/);
  });
});
