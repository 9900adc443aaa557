import { DatabaseSync } from "node:sqlite";
import { readPublished } from "./workflow-rows.ts";
import { Statement } from "./sql.ts";
import type { SqlRow } from "./sql.ts";

/**
 * Names out of a database that nobody has open, or that somebody else has: read only, without migrations and without the
 * lock. For what is shown to a person who types and nothing depends on. Throws what node:sqlite throws.
 */
export function peekNames(path: string, kind: "run" | "workflow" | "approval", limit: number): readonly string[] {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 50 });
  try {
    switch (kind) {
      case "run": {
        const all = [Number.MAX_SAFE_INTEGER, "", Number.MIN_SAFE_INTEGER, limit, null, null, null, null, null, null];
        return new Statement(db, "run-list").all(...all).map(id);
      }
      case "approval":
        return new Statement(db, "approval-list").all(limit).map(id);
      case "workflow":
        return new Statement(db, "workflow-list")
          .all(null, null, limit, Number.MAX_SAFE_INTEGER, "")
          .map(readPublished)
          .map(({ namespace, name, version }) => `${namespace}/${name}@${version}`);
    }
  } finally {
    db.close();
  }
}

function id(row: SqlRow): string {
  return row["id"] as string;
}
