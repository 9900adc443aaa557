import type { CommandSpec } from "../spec.ts";

/** What keeps an installation healthy. */
export const OPERATIONS: readonly CommandSpec[] = [
  {
    name: "doctor",
    group: "system",
    summary: "check the installation: each line is a check, its result and what to do",
    description:
      "Reads only, takes seconds, and is safe whether an engine is up or not. Exit code 1 when a check failed; warnings and notes are no failures.\n\n" +
      "--bundle writes a file for whoever helps you: this report, versions, configuration, limits and counts, never inputs, outputs, logs of tasks or secrets; it says what is in it first.",
    args: [],
    options: [
      {
        flags: "--fix",
        about: "Mend what can be mended without harm: permissions, a socket and work folders left behind",
      },
      { flags: "--bundle <file>", about: "Write a support bundle (tar.gz)" },
      {
        flags: "--log <file>",
        about: "With --bundle: also the last 500 lines of this file, the engine's log, redacted",
      },
    ],
    examples: [
      ["maestro doctor", "look at everything"],
      ["maestro doctor --bundle support.tar.gz --log maestro.log", "for whoever helps"],
    ],
    load: () => import("../command/doctor.ts"),
  },
  {
    name: "backup create",
    group: "system",
    summary: "back up the data directory into one file, also while an engine works",
    description:
      "A snapshot of the database at one instant, and the blobs, logs and public keys that belong to it, compressed and with the SHA-256 of every file. Prints its path. " +
      "The private signing key is left out unless --with-keys says otherwise: a backup travels further than the data directory, and whoever has the key can sign as this installation.",
    args: [],
    options: [
      { flags: "--to <dir>", about: "Folder for it (default: backups in the data directory, which is the same disk)" },
      { flags: "--with-keys", about: "With the private signing key; keep that file as you keep the key" },
      { flags: "--no-logs", about: "Without what tasks wrote" },
    ],
    examples: [
      ["maestro backup create --to /mnt/backups", "onto another disk"],
      ["maestro backup create --to /mnt/safe --with-keys", "with the key, to a safe place"],
    ],
    load: () => import("../command/backup-create.ts"),
  },
  {
    name: "backup list",
    group: "system",
    summary: "list the backups that were made of this data directory",
    description: "Newest first, and whether each is still where it was written.",
    args: [],
    options: [],
    examples: [["maestro backup list -o wide", "with their digests"]],
    load: () => import("../command/backup-list.ts"),
  },
  {
    name: "backup verify",
    group: "system",
    summary: "check a backup: every file, the database, every history",
    description:
      "Reads it to its end; the database is unpacked beside it meanwhile. Needs no data directory. Exit code 0 when it is whole, 7 when anything in it is not as it was.",
    args: [{ name: "file", about: "The backup" }],
    options: [],
    examples: [["maestro backup verify /mnt/backups/maestro-20261121T020000Z.tar.zst", "one backup"]],
    load: () => import("../command/backup-verify.ts"),
  },
  {
    name: "restore",
    group: "system",
    summary: "make a data directory of a backup",
    description:
      "Only into a folder that is not there yet or is empty. Unpacked and checked beside its place, then renamed: it is there whole or not at all. Nothing is started. " +
      "Without the private key in the backup a new one is made, and the old one stays in the trust root for its receipts.",
    args: [{ name: "file", about: "The backup" }],
    options: [
      { flags: "--to <dir>", about: "The data directory to make (default: the one that --data and its like choose)" },
    ],
    examples: [["maestro restore maestro-20261121T020000Z.tar.zst --to /srv/maestro", "into a new folder"]],
    load: () => import("../command/restore.ts"),
  },
  {
    name: "gc",
    group: "system",
    summary: "remove what has had its time",
    description:
      "Logs, artifacts, history and receipts of ended runs go when their clocks have run out (by default 30, 90, 400 and 2,557 days after the end; `retention.yaml` in the data directory says otherwise, for each namespace if need be), " +
      "work folders after a week, blobs when nothing refers to them for a day. What is under a legal hold stays. An engine that is up does the same every hour.",
    args: [],
    options: [{ flags: "--dry-run", about: "Only count what would go" }],
    examples: [
      ["maestro gc --dry-run", "what would go"],
      ["maestro gc", "remove it now"],
    ],
    load: () => import("../command/gc.ts"),
  },
  {
    name: "hold set",
    group: "system",
    summary: "place a legal hold on a run or a namespace",
    description:
      "Nothing of what it covers is removed until it is released. Who placed it, when and why is recorded for good.",
    args: [{ name: "run", about: "A run's id, a unique beginning or end of one, @last or @failed", optional: true }],
    options: [
      { flags: "--namespace <name>", about: "All runs of this namespace instead, also those to come" },
      { flags: "--reason <text>", about: "Why; recorded" },
    ],
    examples: [
      ["maestro hold set 8k2f --reason 'case 4711'", "one run"],
      ["maestro hold set --namespace payments --reason 'audit 2026'", "a whole namespace"],
    ],
    load: () => import("../command/hold-set.ts"),
  },
  {
    name: "hold release",
    group: "system",
    summary: "release a legal hold",
    description: "What it covered goes when its time is over, or has been over. The hold stays on record.",
    args: [{ name: "hold", about: "The hold's id" }],
    options: [{ flags: "--reason <text>", about: "Why; recorded" }],
    examples: [["maestro hold release h_01k3c9x2qd8f6t0r5vw --reason 'case closed'", "one hold"]],
    load: () => import("../command/hold-release.ts"),
  },
  {
    name: "hold list",
    group: "system",
    summary: "list legal holds",
    description: "Newest first.",
    args: [],
    options: [{ flags: "--all", about: "Also those that were released" }],
    examples: [["maestro hold list", "those that are open"]],
    load: () => import("../command/hold-list.ts"),
  },
];
