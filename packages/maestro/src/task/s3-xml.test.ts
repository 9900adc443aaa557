import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { XmlError, childrenOf, escapeXml, parseXml, textOf } from "./s3-xml.ts";

describe("the XML of S3", () => {
  it("is elements and text", () => {
    const xml = `<?xml version="1.0" encoding="UTF-8"?>
<s3:List xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/">
  <Key>a &lt;b&gt; &amp; &quot;c&apos; &#252;&#x1F600;</Key><Empty/><Key>second</Key>
</s3:List>
`;
    const list = parseXml(xml);
    assert.equal(list.name, "List");
    assert.equal(textOf(list, "Key"), "a <b> & \"c' ü😀");
    assert.deepEqual(
      childrenOf(list, "Key").map(({ text }) => text),
      ["a <b> & \"c' ü😀", "second"],
    );
    assert.equal(textOf(list, "Empty"), "");
    assert.equal(textOf(list, "None"), undefined);
  });

  it("gives back what it escaped", () => {
    const text = `<&>"'ü]]>&amp;`;
    assert.equal(parseXml(`<a>${escapeXml(text)}</a>`).text, text);
  });

  const refused: Readonly<Record<string, string>> = {
    "a document type": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "an unknown entity": "<a>&b;</a>",
    "an entity without an end": "<a>a & b</a>",
    "a character that is none": "<a>&#x110000;</a>",
    "the character nought": "<a>&#0;</a>",
    "a comment": "<a><!-- b --></a>",
    CDATA: "<a><![CDATA[b]]></a>",
    "an element without an end": "<a><b></a>",
    "an end without a begin": "</a>",
    "two elements": "<a/><b/>",
    "text around": "<a/>b",
    nothing: "",
    "no XML": "not found",
    "HTML of a proxy": "<html><br><p class=x></html>",
    "an attribute with markup": '<a b="<c>"/>',
  };
  for (const [what, xml] of Object.entries(refused))
    it(`refuses ${what}`, () => assert.throws(() => parseXml(xml), XmlError));

  it("has limits, and takes time in proportion to its length", () => {
    assert.throws(() => parseXml("<a>".repeat(20)), /deeper than 16/);
    assert.throws(() => parseXml(`<a>${"<b/>".repeat(200_001)}</a>`), /more than 200000 elements/);
    for (const xml of [
      `<a ${"b ".repeat(50_000)}`,
      "<".repeat(100_000),
      `<a>${"&".repeat(100_000)}`,
      `<a${" ".repeat(100_000)}x`,
    ])
      assert.throws(() => parseXml(xml), XmlError);
  });
});
