import { RUN } from "./shared.ts";
import type { CommandSpec } from "../spec.ts";

/** Proof. */
export const TRUST: readonly CommandSpec[] = [
  {
    name: "verify",
    group: "trust",
    summary: "verify receipts, disclosure packages, and signatures of published workflows, offline",
    description:
      "Goes through the checks in order and says of each whether it passed, failed or was not made, and why. Needs no engine, no database and no network; with --trust-root no data directory either. " +
      "Exit code 0 when every check that was made passed, 7 when one failed, 2 when a file cannot be read.",
    args: [
      {
        name: "file",
        about:
          "Bundles: receipts, or what `maestro catalog show NAME --signature` prints; or packages, folders and tars of `maestro receipt disclose`",
        many: true,
      },
    ],
    options: [
      { flags: "--trust-root <file>", about: "Keys to believe (default: the data directory's own)" },
      { flags: "--subject <file>", about: "A file that must be an artifact of the run", many: true },
      { flags: "--plan <file>", about: "The plan as JSON, to compare its digest" },
      { flags: "--events <file>", about: "The run's events, one JSON text per line, to compare the chain digest" },
      { flags: "--previous <file>", about: "The receipt before, for a run that was retried" },
      {
        flags: "--proof <file>",
        about: "That the receipt is in the ledger (default: FILE.tlog-proof beside it, where there is one)",
      },
      {
        flags: "--witness <vkey>",
        about: "A witness who must stand under the ledger's checkpoint, by its key",
        many: true,
      },
      { flags: "--quorum <n>", about: "So many of them are enough (default: all)" },
      { flags: "--tsa <file>", about: "Certificates of an authority for timestamps to believe (PEM)" },
      {
        flags: "--timestamp <file>",
        about: "What it said about the checkpoint (default: FILE.tsr beside the receipt, where there is one)",
      },
      {
        flags: "--salts <file>",
        about: "Redacted values of a package that were revealed, to prove that they stood there",
      },
      { flags: "--run <id>", about: "The receipt must be about this run" },
      { flags: "--workflow <ref>", about: "… about this workflow, namespace/name@version" },
      { flags: "--status <status>", about: "… and say this status" },
    ],
    examples: [
      ["maestro verify receipt.json", "with this data directory's keys"],
      [
        "maestro verify receipt.json --trust-root trust-root.json --subject app-1.4.0.tgz",
        "on another machine, with a file",
      ],
    ],
    load: () => import("../command/verify.ts"),
  },
  {
    name: "receipt show",
    group: "trust",
    summary: "show a run's receipt and verify it",
    description: "With `-o json` the verification as data.",
    args: [RUN],
    options: [{ flags: "--ordinal <n>", about: "Of a retried run: 1 is the first (default: the newest)" }],
    examples: [["maestro receipt show @last", "the newest run's"]],
    load: () => import("../command/receipt-show.ts"),
  },
  {
    name: "receipt export",
    group: "trust",
    summary: "write a run's receipt, and what is needed to verify it elsewhere",
    description:
      "The bundle to stdout; with --to a folder with receipt.json, its proof of the ledger, trust-root.json, plan.json and events.jsonl, which `maestro verify` takes.",
    args: [RUN],
    options: [
      { flags: "--ordinal <n>", about: "Of a retried run: 1 is the first (default: the newest)" },
      { flags: "--to <folder>", about: "Write everything for an offline verification there" },
    ],
    examples: [
      ["maestro receipt export @last > receipt.json", "the bundle"],
      ["maestro receipt export 8k2f --to evidence", "all of it"],
    ],
    load: () => import("../command/receipt-export.ts"),
  },
  {
    name: "receipt list",
    group: "trust",
    summary: "list the receipts of a run",
    description: "A run has one, and one more for each retry.",
    args: [RUN],
    options: [],
    examples: [["maestro receipt list @last", "the newest run's"]],
    load: () => import("../command/receipt-list.ts"),
  },
  {
    name: "receipt disclose",
    group: "trust",
    summary: "make a package of receipts and evidence for somebody else, redacted as asked",
    description:
      "The receipts of runs that have ended, their proofs of the ledger, the policy that allowed it, and the evidence (the run, its plan, its events), without what is redacted, in a folder or a tar that `maestro verify` checks offline. " +
      "Asks the gate for `receipt.disclose` on every run, and applies what it wants redacted; the audit keeps who got what. " +
      "A redacted value is replaced by a salted digest everywhere in the evidence, and can be revealed later (`maestro receipt reveal`). " +
      "The same request gives the same bytes, wherever and whenever it is made; SOURCE_DATE_EPOCH sets the time of the files.",
    args: [{ name: "run", about: "Run ids, unique beginnings or ends of them, @last, @failed", many: true }],
    options: [
      { flags: "--recipient <who>", about: "Who gets it (required)" },
      { flags: "--purpose <why>", about: "Why they get it (required)" },
      { flags: "--authority <ref>", about: "Under which mandate: a contract, a request, a legal basis (required)" },
      {
        flags: "--redact <what>",
        about:
          "A JSON Pointer into the run (`/inputs/email`; `*` is any member, `**` any number of them), or `inputs`, `outputs`, `secrets`, `key:NAME`",
        many: true,
      },
      { flags: "--artifacts", about: "With the runs' artifacts" },
      { flags: "--logs", about: "With the runs' logs" },
      { flags: "--out <path>", about: "A new folder, or a file that ends in .tar (default: a tar to stdout)" },
      {
        flags: "--salts <file>",
        about: "Write the redacted values with their salts there; keep that file to yourself",
      },
    ],
    examples: [
      [
        "maestro receipt disclose @last --recipient 'Auditor Ltd' --purpose audit --authority 'contract 17' --out package",
        "a folder",
      ],
      [
        "maestro receipt disclose 8k2f --recipient acme --purpose dispute --authority TICKET-4 --redact /inputs/email --salts salts.json --out package.tar",
        "a tar without an address that can be shown later",
      ],
    ],
    load: () => import("../command/receipt-disclose.ts"),
  },
  {
    name: "receipt reveal",
    group: "trust",
    summary: "take some redacted values out of a salts file, for whoever is to see them",
    description:
      "Lists what was redacted in a package, without the values; with --field writes a file that has these values and their salts and no other. `maestro verify PACKAGE --salts FILE` proves that they stood there.",
    args: [{ name: "salts", about: "What `maestro receipt disclose --salts` wrote" }],
    options: [
      { flags: "--field <pointer>", about: "A pointer, in every file that has it, or FILE#POINTER", many: true },
      { flags: "--out <file>", about: "Where to write it (default: stdout)" },
    ],
    examples: [
      ["maestro receipt reveal salts.json", "what there is"],
      ["maestro receipt reveal salts.json --field /inputs/email --out email.json", "one of them"],
    ],
    load: () => import("../command/receipt-reveal.ts"),
  },
  {
    name: "audit",
    group: "trust",
    summary: "show who did what, and show, verify or export the ledger",
    description:
      "The audit has an entry for whatever somebody did, looked at as evidence, or was refused: words of QUERY, --actor, --action, --resource, --namespace, --since, --until, --kind and --denied look through it, newest first. " +
      "Without any of them the ledger is shown, oldest first: an entry for every decision of the gate, every receipt and every entry of the audit, in the order they were committed, in a Merkle tree whose root is signed, so that nothing can be changed, left out or put in later without it showing. " +
      "--verify hashes every entry again; with --checkpoint it compares the ledger with what somebody kept of it: exit code 11 where it is another one. " +
      "--export writes the folder of static files that c2sp.org/tlog-tiles defines, which any monitor of such logs reads; with --format a file of lines for other systems; with --format worm files that are only ever added to, in a folder or in a bucket with S3 Object Lock (s3://BUCKET/PREFIX).",
    args: [{ name: "query", about: "Words that an entry of the audit has", optional: true, many: true }],
    options: [
      { flags: "--actor <id>", about: "Who did it" },
      { flags: "--action <name>", about: "What was done, as policies name it: run.start, approval.give, ..." },
      { flags: "--resource <type/id>", about: "What it was done to" },
      { flags: "--namespace <name>", about: "Only in this namespace" },
      { flags: "--since <time>", about: "Not older than 2h, 7d, or a date" },
      { flags: "--until <time>", about: "Older than that" },
      { flags: "--kind <kind>", about: "change, evidence, read, refused or security" },
      { flags: "--denied", about: "Only what was refused" },
      { flags: "--run <run>", about: "Only what is about this run" },
      { flags: "--from <place>", about: "Of the ledger: begin at this place, counted from 0" },
      { flags: "--limit <n>", about: "At most so many (default 50, of the ledger 100)" },
      { flags: "--verify", about: "Compare every entry with what was signed" },
      {
        flags: "--checkpoint <file>",
        about: "With --verify: the ledger must begin with what this older checkpoint was about",
      },
      { flags: "--export <path>", about: "Write it there: a folder of tiles, or a file of lines; - is stdout" },
      {
        flags: "--format <format>",
        about:
          "tiles (default); worm: ledger and audit to a place that keeps them, checked and continued each time; jsonl, cloudevents or ocsf of the audit; opa: the gate's decisions as OPA logs them",
      },
      {
        flags: "--retain <duration>",
        about: "To s3://: nobody deletes what is written before (Object Lock, COMPLIANCE)",
      },
      { flags: "--legal-hold", about: "To s3://: what is written is put on legal hold" },
      { flags: "--key", about: "Print the ledger's keys, which witnesses and monitors ask for" },
    ],
    examples: [
      ["maestro audit --since 7d --denied", "who was refused what this week"],
      ["maestro audit --run @last", "what was decided about the newest run"],
      ["maestro audit --verify", "nothing was changed"],
      ["maestro audit --export audit.ocsf.jsonl --format ocsf", "for a system that collects security events"],
      ["maestro audit --export ledger", "for somebody who keeps an eye on it"],
      ["maestro audit --export s3://evidence/maestro --retain 2557d", "seven years, in a bucket that locks"],
    ],
    load: () => import("../command/audit.ts"),
  },
  {
    name: "witness init",
    group: "trust",
    summary: "make a witness: a key of its own and a folder for what it sees",
    description:
      "A witness keeps for each log the last checkpoint that it saw, and cosigns the next one only when it continues that. " +
      "Whoever rewrites the ledger, with the signing key and the database in hand, does not get past it. " +
      "Let it run where the control plane's owner has no rights: another machine, another user, another company. Prints the witness's key.",
    args: [{ name: "name", about: "A URL without its scheme: witness.example.com/one" }],
    options: [{ flags: "--dir <folder>", about: "The witness's folder (default: maestro-witness)" }],
    examples: [["maestro witness init witness.example.com/one --dir /srv/witness", "a new witness"]],
    load: () => import("../command/witness-init.ts"),
  },
  {
    name: "witness add-log",
    group: "trust",
    summary: "let a witness know a log",
    description:
      "The key is what `maestro audit --key` prints where the log is. A witness that is up takes it at once. After `maestro key rotate` the log's new key is added in the same way.",
    args: [{ name: "vkey", about: "The log's key, one line: name+id+key" }],
    options: [{ flags: "--dir <folder>", about: "The witness's folder (default: maestro-witness)" }],
    examples: [["maestro witness add-log LINE --dir /srv/witness", "LINE is what `maestro audit --key` printed"]],
    load: () => import("../command/witness-add-log.ts"),
  },
  {
    name: "witness up",
    group: "trust",
    summary: "serve a witness until it is told to end",
    description:
      "Answers `POST /add-checkpoint` as c2sp.org/tlog-witness says: 200 with its cosignature; 409 with the size it knows; 422 where nothing proves that the log was continued, which is logged as an error. " +
      "It asks nobody who he is: the signature of a log that it knows is what counts. Ends by SIGINT or SIGTERM.",
    args: [],
    options: [
      { flags: "--dir <folder>", about: "The witness's folder (default: maestro-witness)" },
      { flags: "--listen <address>", about: "Default 127.0.0.1:7718; port 0 takes any that is free" },
      { flags: "--log-format <format>", about: "text or json (default: json where stderr is no terminal)" },
      { flags: "--log-level <level>", about: "debug, info, warn or error (default: info)" },
    ],
    examples: [["maestro witness up --dir /srv/witness --listen 0.0.0.0:7718", "reachable from other machines"]],
    load: () => import("../command/witness-up.ts"),
  },
  {
    name: "witness list",
    group: "trust",
    summary: "list the witnesses of a control plane's ledger and what they said last",
    description:
      "The witnesses stand in `witness.yaml` of the data directory. `refused` means that one of them has seen another ledger than this one: somebody rewrote it, or a backup was restored.",
    args: [],
    options: [],
    examples: [["maestro witness list", "who has seen the ledger, up to which entry"]],
    load: () => import("../command/witness-list.ts"),
  },
  {
    name: "key rotate",
    group: "trust",
    summary: "make a new signing key and retire the old one",
    description:
      "The old key's receipts stay verifiable by the trust root, which names it with its end; its private half is removed. Needs the data directory for itself: end `maestro up` before. " +
      "Prints the new key's fingerprint.\n\n" +
      "--workload rotates the key of tokens for workloads instead. The new one is published at once and signs ten minutes later, when everybody who keeps the key set knows it; " +
      "the old one stays published until its last token has ended. Prints the new key's id.",
    args: [],
    options: [
      { flags: "--workload", about: "The key that signs tokens for workloads" },
      { flags: "--now", about: "With --workload: the old keys and their tokens count for nothing from now on" },
    ],
    examples: [
      ["maestro key rotate --data /srv/maestro", "a new key for this data directory"],
      ["maestro key rotate --workload", "a new key for tokens, without a gap"],
      ["maestro key rotate --workload --now", "the old one was stolen"],
    ],
    load: () => import("../command/key-rotate.ts"),
  },
];
