import { Cron } from "croner";
import type { Diagnostic } from "../core/diagnostic.ts";
import { messageOf } from "../core/problem.ts";
import type { Workflow } from "../core/workflow.ts";

/** Schedules whose expression or time zone is not valid, or that never come due. */
export function checkSchedules(workflow: Workflow): Diagnostic[] {
  return workflow.triggers.flatMap(({ schedule }, i) => {
    const at = ["spec", "triggers", i, "schedule"] as const;
    if (!isTimeZone(schedule.timezone)) {
      return [
        problem(
          [...at, "timezone"],
          `\`${schedule.timezone}\` is no time zone`,
          "Use a name of the IANA data base, such as Europe/Berlin or UTC.",
        ),
      ];
    }
    try {
      const next = new Cron(schedule.cron, { paused: true, mode: "5-part", timezone: schedule.timezone }).nextRun();
      return next === null
        ? [problem([...at, "cron"], `\`${schedule.cron}\` never comes due: there is no such day`)]
        : [];
    } catch (thrown) {
      return [
        problem(
          [...at, "cron"],
          `\`${schedule.cron}\` is no cron expression: ${messageOf(thrown).replace(/^CronPattern: /, "")}`,
          "Five fields: minute, hour, day of month, month, day of week.",
        ),
      ];
    }
  });
}

function problem(path: Diagnostic["path"], message: string, help?: string): Diagnostic {
  return { rule: "WF046", severity: "error", path, message, ...(help === undefined ? {} : { help }) };
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch (thrown) {
    if (thrown instanceof RangeError) return false;
    throw thrown;
  }
}
