import type { ArgSpec, OptionSpec } from "../spec.ts";

export const RUN: ArgSpec = { name: "run", about: "A run's id, a unique beginning or end of one, @last or @failed" };

export const WATCHING: readonly OptionSpec[] = [
  { flags: "--watch", about: "Show its progress until it ends (the default)" },
  { flags: "--no-watch", about: "Do not wait for it; print its id" },
  { flags: "--detach", about: "The same as --no-watch" },
  { flags: "--wait", about: "Wait until it ends without showing progress" },
  { flags: "--no-wait", about: "Do not wait for people: exit 10 when only an approval is missing" },
  { flags: "--timeout <duration>", about: "Stop watching after this long (30s, 5m, 2h): exit 8, the run goes on" },
  { flags: "--cancel-on-interrupt", about: "Ctrl-C cancels the run instead of leaving it" },
];
