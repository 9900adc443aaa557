import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadWitnessSettings } from "../provenance/witness/settings.ts";
import { messageOf } from "../core/problem.ts";
import type { Finding, Patient } from "./finding.ts";
import { readDatabase } from "./read-database.ts";

/** A checkpoint is brought to them every minute in which something happens. */
const AWAY_MS = 3_600_000;

interface Met {
  readonly name: string;
  readonly size: number;
  readonly outcome: string;
  readonly detail: string;
  readonly at: number;
}

/** Whether the witnesses of the ledger have seen this one, and lately. */
export async function witnessChecks(patient: Patient): Promise<readonly Finding[]> {
  const check = "witnesses";
  const path = join(patient.dataDir, "maestro.db");
  let known: ReadonlySet<string>;
  try {
    const { witnesses } = await loadWitnessSettings(patient.dataDir);
    known = new Set(witnesses.map(({ key }) => key.name));
  } catch (error) {
    return [
      {
        check,
        status: "failed",
        detail: messageOf(error),
        fix: "Correct witness.yaml: `maestro up` does not start with it.",
      },
    ];
  }
  if (known.size === 0)
    return [
      {
        check,
        status: "info",
        detail: "none: whoever has the signing key and the database can rewrite the ledger unseen",
        fix: "Let somebody else run `maestro witness up`, and name it in witness.yaml.",
      },
    ];
  if (!existsSync(path)) return [{ check, status: "info", detail: "not asked yet" }];
  const met = await readMet(patient, path);
  return [...known].map((name) => findingOf(check, name, met.get(name), patient.now));
}

async function readMet(patient: Patient, path: string): Promise<ReadonlyMap<string, Met>> {
  const db = readDatabase(path, (await patient.ask()) !== undefined);
  try {
    const rows = db.prepare("select name, size, outcome, detail, at from witness").all() as unknown as readonly Met[];
    return new Map(rows.map((row) => [row.name, row]));
  } finally {
    db.close();
  }
}

function findingOf(check: string, name: string, met: Met | undefined, now: number): Finding {
  if (met === undefined) return { check, status: "info", detail: `${name} was not asked yet` };
  if (met.outcome === "refused")
    return {
      check,
      status: "failed",
      detail: `${name} refuses this ledger: ${met.detail}`,
      fix: "Keep a copy of the data directory and find out who changed it. After a restore from a backup, tell the witness's operator, who begins anew with this log.",
    };
  if (met.outcome === "cosigned") return { check, status: "ok", detail: `${name} cosigned ${met.size} entries` };
  const isLong = now - met.at > AWAY_MS || met.outcome === "unknown";
  return {
    check,
    status: isLong ? "warning" : "info",
    detail: `${name}: ${met.detail}`,
    fix: "Ask its operator; `maestro audit --key` prints the keys that it has to know.",
  };
}
