import { sha256, type Digest } from "../../core/digest.ts";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { parseStrict } from "../../core/strict-json.ts";
import { count } from "../check-against.ts";
import { CheckFailed, type Ladder } from "../ladder.ts";
import type { DisclosureManifest } from "./form.ts";
import { policyPath } from "./form.ts";
import type { Texts } from "./verify-package.ts";

/** The digest that each decision names is that of a document in the package, and of the files and policies that this names. */
export function checkPolicy(ladder: Ladder, { runs }: DisclosureManifest, text: Texts): void {
  const engines = new Map(runs.map(({ decision }) => [decision.policy, decision.engine]));
  if (![...engines.keys()].some((policy) => text.has(policyPath(policy)))) {
    ladder.skip("policy", `it lies with ${[...engines.values()].join(", ")}; the decision names its digest`);
    return;
  }
  ladder.check("policy", () => {
    let files = 0;
    let elsewhere = 0;
    const open = [...engines.keys()];
    const seen = new Set(open);
    for (let policy = open.pop(); policy !== undefined; policy = open.pop()) {
      const path = policyPath(policy);
      if (!text.has(path)) {
        elsewhere += 1;
        continue;
      }
      const found = sha256(text.bytes(path));
      if (found !== policy) throw new CheckFailed(`${path} has the digest ${found}, the decision names ${policy}`);
      const document = parseStrict(text.of(path), { depth: 64 });
      for (const { name, digest } of filesOf(document, path)) {
        const file = policyPath(policy, digest);
        if (!text.has(file)) throw new CheckFailed(`${name} of the policy is missing: there is no ${file}`);
        if (sha256(text.bytes(file)) !== digest) throw new CheckFailed(`${file} is not ${name} of the policy`);
        files += 1;
      }
      for (const part of partsOf(document)) {
        if (seen.has(part)) continue;
        seen.add(part);
        open.push(part);
      }
    }
    const left = elsewhere === 0 ? "" : `; ${elsewhere} lie with their engines`;
    const made = files === 0 ? "" : `, made of ${count(files, "file")}`;
    return { value: undefined, detail: `${[...engines.keys()].join(", ")}${made}${left}` };
  });
}

/** Several policies as one name them all. */
function partsOf(document: JsonValue): readonly Digest[] {
  const every = isJsonObject(document) ? document["every"] : undefined;
  if (!Array.isArray(every)) return [];
  return (every as readonly JsonValue[]).filter((one): one is Digest => typeof one === "string" && DIGEST.test(one));
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** A policy that is made of files names them; one that is a table has none. */
function filesOf(document: JsonValue, path: string): readonly { readonly name: string; readonly digest: Digest }[] {
  const files = isJsonObject(document) ? document["files"] : undefined;
  if (files === undefined) return [];
  if (!Array.isArray(files)) throw new SyntaxError(`${path} has files that are not a list`);
  return (files as readonly JsonValue[]).map((file) => {
    const { name, digest } = isJsonObject(file) ? file : {};
    if (typeof name !== "string" || typeof digest !== "string" || !DIGEST.test(digest))
      throw new SyntaxError(`${path} names a file without its digest`);
    return { name, digest: digest as Digest };
  });
}
