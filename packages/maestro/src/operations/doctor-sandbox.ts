import { existsSync } from "node:fs";
import type { Finding, Patient } from "./finding.ts";

/** What `sandbox: strict` would get on this machine, measured, and what limits can be held with. */
export async function sandboxChecks({ measureStrict }: Patient): Promise<readonly Finding[]> {
  const { measured, why } = await measureStrict();
  const cgroups = existsSync("/sys/fs/cgroup/cgroup.controllers");
  return [
    measured === "strict"
      ? { check: "sandbox", status: "ok", detail: "strict, measured from inside" }
      : {
          check: "sandbox",
          status: "warning",
          detail: `tasks that declare strict are refused here: ${why}`,
          fix: "Install bubblewrap 0.7 or newer and util-linux (`apt-get install bubblewrap util-linux`), or declare sandbox: preferred.",
        },
    {
      check: "cgroups",
      status: "info",
      detail: cgroups ? "version 2" : "not there; limits are held by prlimit and by watching",
    },
  ];
}
