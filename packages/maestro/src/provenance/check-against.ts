import { digestOf, sha256, type Digest } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
import { parseStrict } from "../core/strict-json.ts";
import { withoutFinalNewline } from "./check-signed.ts";
import { headOf, readHistory, type BlobLookup } from "./events.ts";
import { agreesWithHistory, retells } from "./history.ts";
import { CheckFailed, type Ladder } from "./ladder.ts";
import type { ReceiptClaims, Statement } from "./receipt-reader.ts";

/** What the asker already knows and the receipt must say. */
export interface Expected {
  readonly digest?: Digest;
  readonly run?: string;
  /** `namespace/name@version`. */
  readonly workflow?: string;
  readonly plan?: Digest;
  readonly status?: string;
  readonly builder?: string;
}

export interface HashedFile {
  readonly path: string;
  readonly name?: string;
  readonly digest: Digest;
}

export function checkExpected(ladder: Ladder, claims: ReceiptClaims, expected: Expected = {}): void {
  const names = (["run", "workflow", "plan", "status", "builder"] as const).filter(
    (name) => expected[name] !== undefined,
  );
  if (names.length === 0) return ladder.skip("expected", "nothing was said to be expected");
  ladder.check("expected", () => {
    for (const name of names) {
      if (claims[name] !== expected[name])
        throw new CheckFailed(`${name} is ${claims[name]}, expected was ${expected[name]}`);
    }
    return { value: undefined, detail: names.map((name) => `${name} ${claims[name]}`).join(", ") };
  });
}

/** DSSE verifiers do not look at subjects; without this a valid receipt would vouch for any file beside it. */
export function checkSubjects(ladder: Ladder, statement: Statement, files: readonly HashedFile[]): void {
  const all = statement.artifacts;
  if (files.length === 0) {
    return ladder.skip(
      "subjects",
      all.length === 0
        ? "no files were given, and the run left no artifacts"
        : `no files were given; ${count(all.length, "artifact")} not compared`,
    );
  }
  ladder.check("subjects", () => {
    const matched = new Set<string>();
    for (const file of files) {
      const candidates = file.name === undefined ? all : all.filter((subject) => subject.name === file.name);
      const hits = candidates.filter((subject) => subject.digest === file.digest);
      if (hits.length === 0)
        throw new CheckFailed(
          notASubject(
            file,
            candidates.map((subject) => `${subject.name} ${subject.digest}`),
          ),
        );
      for (const subject of hits) matched.add(subject.name);
    }
    return {
      value: undefined,
      detail: `${count(files.length, "file")} found among the artifacts; ${all.length - matched.size} of ${count(all.length, "artifact")} not compared`,
    };
  });
}

function notASubject(file: HashedFile, candidates: readonly string[]): string {
  const found = `${file.path} has the digest ${file.digest}`;
  if (file.name !== undefined)
    return candidates.length === 0
      ? `no artifact is called ${file.name}`
      : `${found}, the receipt says ${candidates.join("")}`;
  return `${found}, which is none of the ${count(candidates.length, "artifact")} of the run`;
}

export function checkPlan(
  ladder: Ladder,
  claims: Pick<ReceiptClaims, "plan">,
  plan: string | undefined,
): JsonValue | undefined {
  if (plan === undefined) {
    ladder.skip("plan", `no plan was given; it names ${claims.plan}`);
    return undefined;
  }
  return ladder.check("plan", () => {
    const value = parseStrict(plan, { depth: 256 });
    const found = digestOf(value);
    if (found !== claims.plan) throw new CheckFailed(`the plan's digest is ${found}, it says ${claims.plan}`);
    return { value, detail: found };
  });
}

/** Returns the events that the receipt covers, where they were given. */
export function checkEvents(
  ladder: Ladder,
  claims: ReceiptClaims,
  events: readonly string[] | undefined,
  missing = "no events were given",
): readonly string[] | undefined {
  if (events === undefined) {
    ladder.skip("events", `${missing}; the receipt covers ${claims.events} of them by ${claims.head}`);
    return undefined;
  }
  return ladder.check("events", () => {
    const covered = events.slice(0, claims.events);
    if (claims.events === 0 || covered.length < claims.events) {
      throw new CheckFailed(`it covers ${count(claims.events, "event")}, given were ${events.length}`);
    }
    const head = headOf(covered);
    if (head !== claims.head) {
      throw new CheckFailed(
        `the chain over ${count(covered.length, "event")} ends in ${head}, the receipt says ${claims.head}`,
      );
    }
    const later = events.length - covered.length;
    const more = later === 0 ? "" : `; ${later} later than this receipt`;
    return { value: covered, detail: `${count(covered.length, "event")}, chain ends in ${head}${more}` };
  });
}

/** With plan and every large value the whole statement is derived again; else what the events alone can tell is compared. */
export function checkHistory(
  ladder: Ladder,
  { statement, claims }: { readonly statement: Statement; readonly claims: ReceiptClaims },
  {
    events,
    plan,
    blob,
  }: {
    readonly events: readonly string[] | undefined;
    readonly plan: JsonValue | undefined;
    readonly blob: BlobLookup | undefined;
  },
): void {
  if (events === undefined) return ladder.skip("history", "no events were given");
  ladder.check("history", () => {
    const history = readHistory(events, blob ?? (() => undefined));
    if (plan !== undefined && history.missing === 0) {
      return { value: undefined, detail: retells(plan, history, statement.document, claims) };
    }
    const lacking = plan === undefined ? "the plan" : `${count(history.missing, "large value")} that lie in blobs`;
    return {
      value: undefined,
      detail: `${agreesWithHistory(history, claims)}; tasks and outputs are not compared without ${lacking}`,
    };
  });
}

export function checkPrevious(ladder: Ladder, claims: ReceiptClaims, previous: Uint8Array | undefined): void {
  const named = claims.previousReceipt;
  if (previous === undefined) {
    return ladder.skip(
      "previous",
      named === null ? "it is the first receipt of its run" : `it was not given; the receipt names ${named}`,
    );
  }
  ladder.check("previous", () => {
    const found = sha256(withoutFinalNewline(previous));
    if (named === null) throw new CheckFailed("it says that it is the first receipt of its run");
    if (found !== named) throw new CheckFailed(`the receipt given has the digest ${found}, named is ${named}`);
    return { value: undefined, detail: `${found}; its own checks are not part of this` };
  });
}

/** `1 file`, `2 files`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
