import { existsSync, readFileSync, readlinkSync } from "node:fs";
import type { Isolation } from "../core/event.ts";
import type { Sandbox } from "../core/plan.ts";
import { TaskFailure } from "../task/task.ts";
import { NOBODY } from "./sandbox.ts";

/**
 * A probe that runs where a command would run and prints what it finds there; `readProbe` turns that into facts.
 * Needs sh, readlink and /proc. Its arguments are paths that should not be there.
 */
export const PROBE = `
while read -r key value rest; do
  case $key in Uid:|CapEff:) echo "$key $value" ;; esac
done < /proc/self/status
echo "pid: $(readlink /proc/self/ns/pid)"
echo "net: $(readlink /proc/self/ns/net)"
while IFS= read -r line; do
  case $line in *:*) echo "interface: \${line%%:*}" ;; esac
done < /proc/net/dev
for folder in / /usr /etc /bin /lib /opt /var /home; do
  if [ -w "$folder" ]; then echo "writable: $folder"; fi
done
for path in "$@"; do
  if [ -e "$path" ]; then echo "visible: $path"; fi
done
for file in /proc/self/fd/*; do
  echo "handle: $(readlink "$file")"
done
echo "done: yes"
`;

export interface Findings {
  readonly network: boolean;
  readonly writableRoot: boolean;
  readonly capabilities: boolean;
  readonly ownProcesses: boolean;
  readonly uid: number;
  /** Paths of ours that should not be visible and are. */
  readonly visible: readonly string[];
}

/** Undefined where the probe did not come to its end. */
export function readProbe(output: string): Findings | undefined {
  const facts = output.split("\n").map((line) => line.split(": ").map((part) => part.trim()));
  const all = (key: string): readonly string[] =>
    facts.filter(([name]) => name === key).map(([, value]) => value ?? "");
  const [capabilities] = statusValues(output, "CapEff");
  const [uid] = statusValues(output, "Uid");
  if (!all("done").includes("yes") || capabilities === undefined || uid === undefined) return undefined;
  // An open handle of a file or folder leads out of any sandbox. Devices, pipes and /proc are everybody's.
  const handles = all("handle").filter(
    (target) => target.startsWith("/") && !target.startsWith("/dev/") && !target.startsWith("/proc/"),
  );
  return {
    network: all("net").includes(namespaceOf("net")) || all("interface").some((name) => name !== "lo"),
    writableRoot: all("writable").length > 0,
    capabilities: !/^0*$/.test(capabilities),
    ownProcesses: !all("pid").includes(namespaceOf("pid")),
    uid: Number(uid),
    visible: [...all("visible"), ...handles],
  };
}

function statusValues(output: string, key: string): readonly string[] {
  return [...output.matchAll(new RegExp(`^${key}: (\\S+)$`, "gm"))].map((match) => match[1] ?? "");
}

/** The namespace of the engine itself, e.g. `pid:[4026531836]`. */
function namespaceOf(kind: "pid" | "net"): string {
  try {
    return readlinkSync(`/proc/self/ns/${kind}`);
  } catch {
    return "unknown"; // No /proc: the probe will not come to its end either.
  }
}

export function isolationFrom(declared: Sandbox, backend: Isolation["backend"], found: Findings): Isolation {
  const { network, writableRoot, capabilities, ownProcesses, uid } = found;
  const measured = backend === "none" ? "none" : shortcomings(found).length === 0 ? "strict" : "partial";
  return { declared, measured, backend, network, writableRoot, capabilities, ownProcesses, uid };
}

/** What keeps a sandbox from being strict, in words; empty when it is. */
export function shortcomings(found: Findings): readonly string[] {
  const reasons: string[] = [];
  if (found.network) reasons.push("it can reach a network");
  if (found.writableRoot) reasons.push("the system's folders are writable");
  if (found.capabilities) reasons.push("it has capabilities");
  if (!found.ownProcesses) reasons.push("it sees the processes of this machine");
  if (found.uid !== NOBODY) reasons.push(`it runs as uid ${found.uid}`);
  if (found.visible.length > 0) reasons.push(`it sees ${found.visible.join(", ")}`);
  return reasons;
}

/** The refusal of an attempt that declares `strict` where this machine cannot do it. */
export function notStrict(why: string): TaskFailure {
  return new TaskFailure({
    code: "ISOLATION",
    final: true,
    message: `The task declares sandbox: strict, and this machine cannot isolate it: ${why}. It was not started. ${remedy()}`,
  });
}

function remedy(): string {
  if (process.platform !== "linux")
    return "Strict sandboxes need Linux with bubblewrap; elsewhere declare sandbox: preferred, and the receipt says how isolated it was.";
  const hints = [
    "Install bubblewrap 0.7 or newer (apt-get install bubblewrap, dnf install bubblewrap or apk add bubblewrap) and util-linux",
  ];
  if (process.getuid?.() === 0)
    return `${hints.join("")}; in a container, give it the right to make namespaces or run Maestro outside of it.`;
  if (settingIs("/proc/sys/kernel/unprivileged_userns_clone", "0"))
    hints.push("allow user namespaces with `sysctl kernel.unprivileged_userns_clone=1`");
  if (settingIs("/proc/sys/user/max_user_namespaces", "0"))
    hints.push("allow user namespaces with `sysctl user.max_user_namespaces=10000`");
  if (settingIs("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")) {
    hints.push(
      "let AppArmor allow bwrap to make user namespaces (a profile for /usr/bin/bwrap with `userns,`), or `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    );
  }
  return `${hints.join("; ")}.`;
}

function settingIs(path: string, value: string): boolean {
  return existsSync(path) && readFileSync(path, "utf8").trim() === value;
}
