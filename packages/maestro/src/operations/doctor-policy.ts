import { existsSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../core/problem.ts";
import { breakGlassText } from "../policy/desk.ts";
import type { GateRequest } from "../policy/gate.ts";
import { LivePolicy } from "../policy/live-policy.ts";
import type { BreakGlassRow } from "../store/break-glass.ts";
import type { Finding, Patient } from "./finding.ts";
import { readDatabase } from "./read-database.ts";

/** Whether the policy can be enforced as it is written, and whether somebody goes past it. */
export async function policyChecks(patient: Patient): Promise<readonly Finding[]> {
  return [await policy(patient), ...(await breakGlass(patient))];
}

async function policy({ dataDir, now }: Patient): Promise<Finding> {
  const check = "policy";
  try {
    const live = await LivePolicy.open({ dataDir, now: () => now });
    const { engine, policyDigest, shadow } = live;
    const silence = await silenceOf(live, now);
    await live.close();
    if (silence !== undefined)
      return {
        check,
        status: "failed",
        detail: `${engine} gives no answer, so everything is denied: ${silence}`,
        fix: "See that it is up and answers to what policy.yaml says: docs/guides/policies.md. In an emergency: `maestro policy break-glass`.",
      };
    const trial = shadow.length === 0 ? "" : `; on trial: ${shadow.map((one) => one.engine).join(", ")}`;
    return { check, status: "ok", detail: `${engine} ${policyDigest.slice(0, 19)}…${trial}` };
  } catch (error) {
    return {
      check,
      status: "failed",
      detail: messageOf(error),
      fix: "Mend it: no engine starts with it. `maestro policy test` tries a policy; docs/guides/policy-commands.md has the way.",
    };
  }
}

/** Why a policy decides nothing; whether it says yes or no is its own affair. */
async function silenceOf(policy: LivePolicy, now: number): Promise<string | undefined> {
  try {
    await policy.evaluate(QUESTION, { at: now });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Of the kind that every policy is asked all the time. */
const QUESTION: GateRequest = {
  subject: { type: "user", id: "doctor", properties: { roles: ["viewer"] } },
  action: { name: "system.read" },
  resource: { type: "installation", id: "*", properties: { namespace: "*" } },
  context: { purpose: "", authority: "", environment: "local" },
};

async function breakGlass({ dataDir, now, ask }: Patient): Promise<readonly Finding[]> {
  const path = join(dataDir, "maestro.db");
  if (!existsSync(path)) return [];
  const db = readDatabase(path, (await ask()) !== undefined);
  try {
    const there = db.prepare("select 1 from sqlite_schema where name = 'break_glass'").get();
    // An older database, which the next engine brings up to date.
    if (there === undefined) return [];
    const rows = db
      .prepare(
        'select id, subject, namespace, reason, from_at as "from", until_at as "until", ended_at as "endedAt", ended_by as "endedBy" from break_glass where until_at > ? and ended_at is null limit 20',
      )
      .all(now) as unknown as readonly BreakGlassRow[];
    return rows.map((row) => ({
      check: "break-glass",
      status: "warning",
      detail: `${breakGlassText(row)}: ${row.reason}`,
      fix: `When the emergency is over: \`maestro policy break-glass end ${row.id}\`.`,
    }));
  } finally {
    db.close();
  }
}
