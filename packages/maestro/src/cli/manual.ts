/** What the help of a command says after its options: what its exit codes mean here, and what to read next. */
export interface Manual {
  /** In this command's own words. Every other error has the exit code of its class. */
  readonly exits: Readonly<Record<number, string>>;
  /** Commands, and topics of `maestro help`. */
  readonly see: readonly string[];
  /** A page of docs/guides. */
  readonly guide?: string;
}

const NO_RUN = { 5: "there is no such run" } as const;
const NO_STORED = { 5: "there is no such stored workflow" } as const;
const NO_TYPE = { 5: "there is no such task type" } as const;
const NO_APPROVAL = {
  5: "there is no such approval",
  6: "it was answered already, or the plan is another one than --plan says",
} as const;
const OUTCOME = {
  0: "the run succeeded",
  1: "it failed or was cancelled",
  3: "it was denied, by policy or by a person",
  8: "its budget or its time is used up, or --timeout is over and it goes on",
  10: "it waits for an approval, and --no-wait was given",
  130: "left by Ctrl-C; it goes on",
} as const;
const ANSWER = { 0: "the policy allows it", 3: "it does not" } as const;
const DIFFERENT = { 0: "they do the same", 1: "they differ" } as const;

/** Of every command by its name; a test holds that none is missing. */
export const MANUAL: Readonly<Record<string, Manual>> = {
  run: {
    exits: {
      ...OUTCOME,
      2: "the manifest or an input is wrong",
      5: "there is no such file or stored workflow",
      6: "the plan is not the one of --plan",
    },
    see: ["plan", "watch", "show", "runs", "retry", "exit-codes"],
    guide: "first-runbook",
  },
  runs: { exits: {}, see: ["show", "watch", "formatting"] },
  show: { exits: NO_RUN, see: ["logs", "retry", "receipt show", "replay"] },
  logs: { exits: { ...NO_RUN, 1: "--grep found nothing" }, see: ["show", "watch"] },
  watch: { exits: { ...OUTCOME, ...NO_RUN }, see: ["run", "up", "cancel", "exit-codes"] },
  cancel: { exits: { ...NO_RUN, 6: "it has ended", 8: "--timeout is over" }, see: ["retry", "watch"] },
  retry: {
    exits: { ...OUTCOME, ...NO_RUN, 6: "there is nothing to retry" },
    see: ["show", "run", "watch"],
    guide: "run-again-and-cache",
  },
  up: {
    exits: { 0: "ended by Ctrl-C or SIGTERM", 9: "the address is taken, or the data directory cannot serve" },
    see: ["doctor", "catalog list", "config view", "token rotate", "environment"],
    guide: "operate-the-data-directory",
  },
  approvals: { exits: {}, see: ["approve", "deny", "show"], guide: "approvals-and-waiting" },
  approve: {
    exits: { ...NO_APPROVAL, 1: "the question was answered with no" },
    see: ["approvals", "deny", "plan"],
    guide: "approvals-and-waiting",
  },
  deny: {
    exits: { ...NO_APPROVAL, 1: "the question was answered with no" },
    see: ["approvals", "approve"],
    guide: "approvals-and-waiting",
  },
  signal: { exits: { ...NO_RUN, 6: "the run has ended" }, see: ["show", "watch"], guide: "approvals-and-waiting" },
  init: {
    exits: { 5: "no runbook of that name comes with Maestro", 6: "a file is there already" },
    see: ["lint", "run", "test"],
    guide: "first-runbook",
  },
  lint: {
    exits: { 0: "no errors", 1: "errors, or with --strict warnings" },
    see: ["plan", "test", "expressions"],
    guide: "first-runbook",
  },
  plan: {
    exits: { 2: "the manifest is wrong", 5: "there is no such file or stored workflow" },
    see: ["lint", "run", "catalog diff"],
  },
  test: {
    exits: { 0: "all passed", 1: "a case failed, or --min is not reached", 2: "a test cannot be read" },
    see: ["lint", "replay"],
    guide: "test-a-workflow",
  },
  replay: {
    exits: { ...NO_RUN, 0: "the history gives the stored state", 7: "it does not" },
    see: ["verify", "test", "doctor"],
  },
  verify: {
    exits: {
      0: "every check that was made passed",
      7: "one failed; an unknown key is a failure",
      2: "a file cannot be read, or a trust root is none",
    },
    see: ["receipt export", "replay"],
    guide: "verify-a-receipt",
  },
  "receipt show": { exits: { ...NO_RUN, 7: "it does not verify" }, see: ["receipt export", "verify"] },
  "receipt export": { exits: NO_RUN, see: ["verify", "receipt show"], guide: "verify-a-receipt" },
  "receipt disclose": {
    exits: {
      ...NO_RUN,
      2: "something is missing, or a redaction means nothing in these runs",
      3: "the gate does not allow it of one of the runs; nothing is written",
      6: "a run has not ended, or what would be written is there already",
    },
    see: ["receipt reveal", "verify", "audit"],
    guide: "disclose",
  },
  "receipt reveal": {
    exits: { 2: "the file cannot be read", 5: "nothing was redacted there" },
    see: ["receipt disclose", "verify"],
    guide: "disclose",
  },
  "receipt list": { exits: NO_RUN, see: ["receipt show", "retry"] },
  audit: {
    exits: {
      ...NO_RUN,
      3: "the gate does not allow it",
      4: "there are no credentials for S3, or they do not do",
      6: "somebody else exports to the same place",
      11: "the ledger, or what was exported of it, is not what was signed",
    },
    see: ["verify", "receipt export", "witness list"],
    guide: "audit",
  },
  "witness init": {
    exits: { 6: "the folder holds a witness already" },
    see: ["witness add-log", "witness up"],
    guide: "ledger-and-witness",
  },
  "witness add-log": {
    exits: { 5: "there is no witness in the folder" },
    see: ["audit", "witness up"],
    guide: "ledger-and-witness",
  },
  "witness up": {
    exits: {
      0: "it was told to end",
      4: "its key cannot be used",
      5: "there is no witness in the folder",
      7: "what it saw was changed",
      9: "another process has the folder, or the address",
    },
    see: ["witness init", "witness add-log", "witness list"],
    guide: "ledger-and-witness",
  },
  "witness list": { exits: {}, see: ["witness up", "audit", "doctor"], guide: "ledger-and-witness" },
  "policy init": {
    exits: { 6: "there is a policy already; nothing is written" },
    see: ["policy reload", "up", "doctor"],
    guide: "policies",
  },
  "policy reload": {
    exits: { 2: "the policy cannot be used; the one before stays", 3: "you may not change policies" },
    see: ["policy init", "up", "doctor"],
    guide: "policies",
  },
  "policy list": { exits: {}, see: ["policy test", "policy explain", "policy who-can"], guide: "policy-commands" },
  "policy test": {
    exits: {
      0: "every case is answered as it says",
      1: "a case failed, or with --mutate a rule is not missed",
      2: "the policy or its cases cannot be used",
    },
    see: ["policy init", "policy what-if", "policy diff"],
    guide: "policy-commands",
  },
  "policy what-if": {
    exits: { ...ANSWER, 2: "the question or the policy cannot be used" },
    see: ["policy can-i", "policy who-can", "policy explain"],
    guide: "policy-commands",
  },
  "policy explain": {
    exits: { 5: "there is no such decision, run or task" },
    see: ["policy who-can", "policy what-if", "audit"],
    guide: "policy-commands",
  },
  "policy diff": {
    exits: { 0: "no answer changes", 1: "some do", 2: "the policy cannot be used" },
    see: ["policy test", "policy reload", "policy explain"],
    guide: "policy-commands",
  },
  "policy can-i": { exits: ANSWER, see: ["policy who-can", "policy what-if", "whoami"], guide: "policy-commands" },
  "policy who-can": { exits: {}, see: ["policy can-i", "policy what-if", "session list"], guide: "policy-commands" },
  "policy break-glass": {
    exits: { 3: "you may not go past the policy there", 5: "there is no such break-glass" },
    see: ["policy explain", "policy who-can", "audit"],
    guide: "policy-commands",
  },
  "key rotate": {
    exits: {
      4: "the passphrase is missing or wrong",
      6: "the last rotation of --workload is not over",
      9: "an engine holds the data directory",
    },
    see: ["verify", "doctor", "token rotate"],
    guide: "operate-the-data-directory",
  },
  "catalog publish": {
    exits: { 2: "a manifest is wrong; nothing is published", 6: "that version has another content" },
    see: ["catalog list", "catalog diff", "run", "verify"],
    guide: "publish-and-reload",
  },
  "catalog list": { exits: {}, see: ["catalog show", "up"], guide: "publish-and-reload" },
  "catalog show": { exits: { ...NO_STORED, 7: "its signature does not verify" }, see: ["catalog diff", "run"] },
  "catalog diff": { exits: { ...DIFFERENT, ...NO_STORED }, see: ["catalog show", "plan", "test"] },
  "task list": { exits: {}, see: ["task show", "task add"], guide: "write-a-task" },
  "task show": { exits: NO_TYPE, see: ["task schema", "task list"] },
  "task schema": { exits: NO_TYPE, see: ["task show"] },
  "task add": {
    exits: { 1: "the program cannot be used: it does not speak the protocol or describes itself wrongly" },
    see: ["task test", "task list", "task remove"],
    guide: "write-a-task",
  },
  "task remove": { exits: NO_TYPE, see: ["task add", "task list"] },
  "task test": { exits: { 0: "no check failed", 1: "one failed" }, see: ["task add"], guide: "write-a-task" },
  doctor: {
    exits: { 0: "no check failed; warnings do not count", 1: "one failed", 6: "the file of --bundle is there already" },
    see: ["backup create", "gc", "replay", "config view"],
    guide: "operate-the-data-directory",
  },
  "backup create": {
    exits: { 5: "there is no data directory", 6: "its schema is not this version's", 9: "the disk is full or fails" },
    see: ["backup verify", "restore", "doctor"],
    guide: "operate-the-data-directory",
  },
  "backup list": { exits: {}, see: ["backup create", "backup verify"] },
  "backup verify": {
    exits: { 0: "it is whole", 5: "there is no such file", 7: "something in it is not as it was" },
    see: ["restore", "backup list"],
    guide: "operate-the-data-directory",
  },
  restore: {
    exits: {
      5: "there is no such file",
      6: "the folder is not empty, or a newer version made the backup",
      7: "something in the backup is not as it was; nothing is restored",
      9: "the disk is full or fails; nothing is restored",
    },
    see: ["backup verify", "doctor", "replay"],
    guide: "operate-the-data-directory",
  },
  gc: {
    exits: { 6: "a backup or another removal is under way", 2: "retention.yaml is wrong; nothing is removed" },
    see: ["hold set", "backup create", "doctor"],
    guide: "keep-and-remove",
  },
  "hold set": { exits: NO_RUN, see: ["hold list", "hold release", "gc"], guide: "keep-and-remove" },
  "hold release": { exits: { 5: "there is no such hold" }, see: ["hold list", "gc"], guide: "keep-and-remove" },
  "hold list": { exits: {}, see: ["hold set", "hold release"], guide: "keep-and-remove" },
  login: {
    exits: {
      3: "the provider's token gives no role here",
      4: "the provider or the control plane let nobody in",
      8: "nobody logged in in time",
      9: "the provider or the control plane does not answer",
    },
    see: ["logout", "whoami", "session list", "token rotate"],
    guide: "identity",
  },
  logout: {
    exits: { 5: "nobody is logged in from here", 9: "the control plane does not answer; the session goes on" },
    see: ["login", "session revoke"],
    guide: "identity",
  },
  whoami: {
    exits: { 4: "the control plane does not know who asks" },
    see: ["login", "session list"],
    guide: "identity",
  },
  "session list": {
    exits: { 3: "others' sessions are not yours to see" },
    see: ["session revoke", "whoami"],
    guide: "identity",
  },
  "session revoke": {
    exits: { 3: "others' sessions are not yours to end", 5: "there is no such session" },
    see: ["session list", "logout"],
    guide: "identity",
  },
  "config view": { exits: {}, see: ["config set", "config use", "environment"] },
  "config get": { exits: { 2: "there is no such key", 5: "it is not set" }, see: ["config view", "config set"] },
  "config set": { exits: { 2: "there is no such key, or not with such a value" }, see: ["config view", "config use"] },
  "config use": { exits: { 5: "there is no such context" }, see: ["config view", "config set"] },
  "token rotate": { exits: {}, see: ["up", "key rotate", "config set"] },
  completion: { exits: { 2: "there is no script for that shell" }, see: ["help", "environment"] },
  help: { exits: { 5: "there is no such page" }, see: ["exit-codes", "environment", "formatting", "expressions"] },
};

/** The exit codes of a command in order: 0 first, and what a wrong command line gives. */
export function exitLines(name: string): readonly (readonly [code: string, meaning: string])[] {
  const exits = MANUAL[name]?.exits ?? {};
  const all: Readonly<Record<string, string>> = { 0: "it worked", 2: "a wrong command line", ...exits };
  return Object.entries(all);
}
