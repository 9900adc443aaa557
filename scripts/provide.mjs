// Gets what the tests need from the system: Debian packages, where this user may install them.
import { spawnSync } from "node:child_process";
import { provideOpa } from "./opa.mjs";

/** What the tests use of the system, and the Debian package that has it. */
const NEEDS = [
  { command: "bwrap", package: "bubblewrap", why: "the sandbox of the local runner" },
  { command: "prlimit", package: "util-linux", why: "limits of child processes" },
  { command: "setpriv", package: "util-linux", why: "dropped capabilities of child processes" },
  { command: "git", package: "git", why: "runbooks on a real repository" },
  { command: "python3", package: "python3", why: "the Python SDK" },
  { command: "ssh", package: "openssh-client", why: "git@1 over ssh" },
  { command: "pg_lsclusters", package: "postgresql", why: "sql@1 against a real server" },
  { command: "openssl", package: "openssl", why: "certificates of tests and of the runbook that rotates them" },
  { command: "promtool", package: "prometheus", why: "metrics and alert rules as Prometheus reads them" },
  { command: "curl", package: "curl", why: "the guide of the control plane" },
  { command: "jq", package: "jq", why: "the guide of the control plane" },
  { command: "zsh", package: "zsh", why: "completion of commands, in the shell itself" },
  { command: "fish", package: "fish", why: "completion of commands, in the shell itself" },
];

/** Installs what is missing, and says what is missing still: the tests that need it skip themselves. */
export function provide() {
  provideDebian();
  if (provideOpa() === undefined)
    console.error(
      "MISSING: opa (policies on a real Open Policy Agent). Tests that need it are skipped. fix: put opa or Go 1.26 into PATH; the Go of Debian 12 is too old to build it",
    );
}

function provideDebian() {
  const missing = NEEDS.filter(({ command }) => !has(command));
  if (missing.length === 0) return;
  const apt = aptGet();
  if (apt !== undefined) {
    const packages = [...new Set(missing.map((need) => need.package))];
    console.error(`Installing ${packages.join(", ")} (apt-get) ...`);
    const install = () => apt("install", "-y", "--no-install-recommends", ...packages);
    // The package lists of a fresh image are empty or old.
    if (!install() && apt("update")) install();
  }
  for (const { command, package: name, why } of missing.filter((need) => !has(need.command))) {
    console.error(`MISSING: ${command} (${why}). Tests that need it are skipped. fix: apt-get install ${name}`);
  }
}

/** Runs apt-get quietly and tells whether it worked; undefined where it is not there or this user may not use it. */
function aptGet() {
  if (!has("apt-get")) return undefined;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && spawnSync("sudo", ["-n", "true"]).status !== 0) return undefined;
  const [program, ...before] = isRoot ? ["apt-get"] : ["sudo", "-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return (...args) =>
    spawnSync(program, [...before, "-qq", ...args], { env, stdio: ["ignore", "ignore", "inherit"] }).status === 0;
}

function has(command) {
  return spawnSync("sh", ["-c", `command -v ${command}`], { stdio: "ignore" }).status === 0;
}
