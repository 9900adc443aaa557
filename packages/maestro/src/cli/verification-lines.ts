import { reportLines } from "../provenance/verify-report.ts";
import type { AnyVerification } from "../provenance/verify-report.ts";
import type { Cli } from "./cli.ts";
import { glyph, paint } from "./terminal/style.ts";
import type { ShownStatus } from "./terminal/style.ts";
import { safe } from "./terminal/text.ts";

const SHOWN = { passed: "succeeded", failed: "failed", skipped: "skipped" } as const satisfies Readonly<
  Record<string, ShownStatus>
>;

/** The ladder of checks, what the receipt says, what that means, and the verdict. */
export function verificationLines({ terminal }: Cli, verification: AnyVerification): readonly string[] {
  if (!terminal.outIsTty) return reportLines(verification).map(({ text }) => safe(text));
  const style = terminal.out;
  return reportLines(verification).map((line) => {
    switch (line.kind) {
      case "check": {
        const text = `${line.title}  ${line.status === "skipped" ? "not checked: " : ""}${safe(line.detail)}`;
        return `${glyph(style, SHOWN[line.status])} ${line.status === "skipped" ? paint(style, "gray", text) : text}`;
      }
      case "fact":
        return `  ${line.name.padEnd(10)} ${safe(line.value)}`;
      case "note":
        return paint(style, "gray", `  ${safe(line.text)}`);
      case "verdict":
        return `${glyph(style, line.verified ? "succeeded" : "failed")} ${paint(style, "bold", safe(line.text))}`;
    }
  });
}
