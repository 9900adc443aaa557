import { styleText } from "node:util";
import type { RunStatus } from "../../core/event.ts";
import type { StepStatus, TaskView } from "../../engine/engine.ts";

/** The eight statuses that are shown. Shape, word and colour, never colour alone. */
export type ShownStatus =
  | "queued"
  | "running"
  | "waiting"
  | "succeeded"
  | "failed"
  | "denied"
  | "cancelled"
  | "skipped";

type Format = Parameters<typeof styleText>[0];

const LOOK: Readonly<Record<ShownStatus, { readonly glyph: string; readonly ascii: string; readonly format: Format }>> =
  {
    queued: { glyph: "○", ascii: ".", format: "gray" },
    running: { glyph: "◐", ascii: ">", format: "blue" },
    waiting: { glyph: "◫", ascii: "=", format: "yellow" },
    succeeded: { glyph: "✓", ascii: "+", format: "green" },
    failed: { glyph: "✗", ascii: "x", format: "red" },
    denied: { glyph: "⊘", ascii: "!", format: "magenta" },
    cancelled: { glyph: "⊖", ascii: "-", format: "gray" },
    skipped: { glyph: "›", ascii: "~", format: "gray" },
  };

/** How this terminal is written to: with colour or not, with Unicode shapes or ASCII ones. */
export interface Style {
  readonly colour: boolean;
  readonly unicode: boolean;
}

export const PLAIN: Style = { colour: false, unicode: true };

export function paint(style: Style, format: Format, text: string): string {
  return style.colour ? styleText(format, text, { validateStream: false }) : text;
}

export function glyph(style: Style, status: ShownStatus): string {
  const { glyph: shape, ascii, format } = LOOK[status];
  return paint(style, format, style.unicode ? shape : ascii);
}

export function shownRun(run: { readonly status: RunStatus; readonly waiting: string | null }): ShownStatus {
  switch (run.status) {
    case "running":
      return run.waiting === null ? "running" : "waiting";
    case "cancelling":
      return "running";
    default:
      return run.status;
  }
}

/** Refusals by policy or people look different from failures: what helps is another thing. */
const REFUSALS: ReadonlySet<string> = new Set(["DENIED", "APPROVAL_DENIED", "APPROVAL_EXPIRED"]);

export function isRefusal(error: { readonly code: string } | null | undefined): boolean {
  return error != null && REFUSALS.has(error.code);
}

export function shownStep(status: StepStatus, error: TaskView["error"]): ShownStatus {
  if (status === "pending") return "queued";
  return status === "failed" && isRefusal(error) ? "denied" : status;
}
