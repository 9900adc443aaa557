import type { JsonValue } from "./json.ts";

/** What kind of trouble it is: decides the CLI's exit code and the HTTP status (docs/reference/errors.md). */
export type ProblemClass =
  | "failed"
  | "usage"
  | "denied"
  | "auth"
  | "not_found"
  | "conflict"
  | "verification"
  | "tampered"
  | "timeout"
  | "unavailable"
  | "pending"
  | "internal";

interface CatalogueEntry {
  readonly class: ProblemClass;
  /** One sentence, without the particulars of the case. */
  readonly title: string;
  /** What the reader can do next. */
  readonly fix: string;
}

/** Every error a user can meet. The reference page and this table are kept equal by a test. */
export const PROBLEMS = {
  invalid_manifest: {
    class: "usage",
    title: "The manifest has problems.",
    fix: "Run `maestro lint FILE` and mend what it lists.",
  },
  invalid_input: {
    class: "usage",
    title: "The inputs do not fit the runbook.",
    fix: "Compare them with `maestro plan FILE`, which lists every input with its type.",
  },
  invalid_schema: {
    class: "usage",
    title: "A JSON Schema cannot be used.",
    fix: "Write JSON Schema 2020-12 that stands alone: no references to other documents, no $dynamicRef, patterns of RE2.",
  },
  invalid_test: {
    class: "usage",
    title: "The test of a workflow cannot be carried out as it is written.",
    fix: "Mend the case; docs/reference/workflow-tests.md describes every field.",
  },
  task_unusable: {
    class: "failed",
    title: "The program cannot be used as a task type.",
    fix: "Run `maestro task test PATH`, which says what is wrong and how to mend it.",
  },
  invalid_request: {
    class: "usage",
    title: "The request is not of the form this operation takes.",
    fix: "Compare it with the reference of the operation.",
  },
  unsupported_media_type: {
    class: "usage",
    title: "The body is not of a type that this operation takes.",
    fix: "Send JSON with `content-type: application/json`.",
  },
  payload_too_large: {
    class: "usage",
    title: "A value is larger than its limit.",
    fix: "Pass large data as an artifact and hand on its path or digest.",
  },
  expression_failed: {
    class: "failed",
    title: "An expression could not be evaluated.",
    fix: "Check the names and types it uses; `maestro lint` shows what is known at each place.",
  },
  limit_exceeded: {
    class: "failed",
    title: "A stated limit was reached.",
    fix: "See docs/reference/limits.md for the limit and how to raise it or stay below it.",
  },
  denied: {
    class: "denied",
    title: "Policy denies it.",
    fix: "See which rule said so and what helps: `maestro policy explain RUN`, or the id of the decision; and who may: `maestro policy who-can ACTION RESOURCE`. The way on: docs/guides/policy-commands.md.",
  },
  step_up_required: {
    class: "auth",
    title: "Policy wants a stronger login for this.",
    fix: "Log in again in the way that the message names, then do the same again.",
  },
  policy_unusable: {
    class: "usage",
    title: "The policy cannot be enforced as it is written.",
    fix: "Mend what the message names in policy.yaml or in the files it points to. Until then nothing starts; a control plane that is up keeps the policy it has.",
  },
  not_found: {
    class: "not_found",
    title: "There is nothing by that name here.",
    fix: "List what exists: `maestro runs`, `maestro task list`.",
  },
  removed: {
    class: "not_found",
    title: "It was removed when its time was over.",
    fix: "What retention removes and when: `maestro gc --dry-run`; a legal hold keeps what is still there: `maestro hold set`.",
  },
  ambiguous_id: {
    class: "usage",
    title: "Several objects match that short id.",
    fix: "Give more characters of the id.",
  },
  conflict: {
    class: "conflict",
    title: "It is not in a state that allows this.",
    fix: "Look at its present state with `maestro show ID`.",
  },
  plan_changed: {
    class: "conflict",
    title: "The plan is not the one that was approved.",
    fix: "Look at the new plan and approve its digest.",
  },
  run_conflict: {
    class: "conflict",
    title: "Another writer appended to this run first.",
    fix: "Nothing is lost; the run is reloaded and goes on.",
  },
  concurrency_limit: {
    class: "conflict",
    title: "The concurrency key is taken.",
    fix: "Wait for the run that holds it, cancel it, or use `onConflict: queue`.",
  },
  overloaded: {
    class: "unavailable",
    title: "The engine is at its limit and takes no more for now.",
    fix: "Try again in a moment; the message names the limit.",
  },
  rate_limited: {
    class: "unavailable",
    title: "One caller asks more often than is allowed.",
    fix: "Wait as long as Retry-After says, and ask less often; `network.yaml` in the data directory sets the limit.",
  },
  network_unusable: {
    class: "usage",
    title: "The settings of the API's server cannot be used.",
    fix: "Mend `network.yaml` in the data directory; docs/guides/http-api.md shows every key.",
  },
  shutting_down: { class: "unavailable", title: "The engine is shutting down.", fix: "Try again when it is up." },
  data_locked: {
    class: "unavailable",
    title: "Another engine is running on this data directory.",
    fix: "Use that engine, stop it, or choose another directory with --data.",
  },
  address_unusable: {
    class: "unavailable",
    title: "The control plane cannot listen there.",
    fix: "Choose another address with `--listen HOST:PORT` or MAESTRO_LISTEN, port 0 for any that is free, or `--no-listen`.",
  },
  server_unreachable: {
    class: "unavailable",
    title: "The control plane does not answer.",
    fix: "Check that it runs and that this user may open its socket.",
  },
  storage_full: {
    class: "unavailable",
    title: "The disk of the data directory is full.",
    fix: "Free some space; what was acknowledged is safe and the engine goes on by itself.",
  },
  storage_failed: {
    class: "unavailable",
    title: "The data directory could not be read or written.",
    fix: "Check the disk and the permissions of the data directory.",
  },
  store_corrupt: {
    class: "verification",
    title: "The database is damaged or was edited.",
    fix: "Keep a copy of the data directory, then restore a backup or use `sqlite3 maestro.db .recover`.",
  },
  ledger_broken: {
    class: "tampered",
    title: "The ledger is not the one that was signed.",
    fix: "Keep a copy of the data directory and find out who changed it. A backup whose ledger verifies can be restored with `maestro restore`.",
  },
  schema_newer: {
    class: "conflict",
    title: "The data directory was written by a newer version.",
    fix: "Use that version or a newer one; to go back, take the copy that the upgrade kept (before-schema-N.db) or a backup from before it.",
  },
  verification_failed: {
    class: "verification",
    title: "Verification failed.",
    fix: "Do not trust the object; compare it with its source.",
  },
  key_unusable: {
    class: "auth",
    title: "The signing key cannot be used.",
    fix: "Check the passphrase and the permissions of the key file.",
  },
  unauthorized: {
    class: "auth",
    title: "The control plane does not know who asks.",
    fix: "Log in with `maestro login`, or name the file with the owner's token: `--token-file FILE`, MAESTRO_TOKEN_FILE, or `tokenFile` in a context.",
  },
  token_unusable: {
    class: "auth",
    title: "The token cannot be used.",
    fix: "Check that the token file exists, is one line and belongs to you alone (`chmod 600`).",
  },
  no_issuer: {
    class: "unavailable",
    title: "This installation is no issuer of tokens.",
    fix: "Start it with `maestro up`, which serves the API; or name the URL that others reach it by: `--issuer URL`, MAESTRO_ISSUER.",
  },
  identity_unusable: {
    class: "unavailable",
    title: "The identity settings cannot be used.",
    fix: "Mend `identity.yaml` in the data directory; docs/reference/configuration.md describes every key. Until then only the owner comes in.",
  },
  issuer_unreachable: {
    class: "unavailable",
    title: "An identity provider does not answer, or not as it should.",
    fix: "Try again when it is up; `maestro doctor` asks every provider. Nobody comes in by a provider whose keys cannot be had.",
  },
  node_too_old: {
    class: "usage",
    title: "This Node.js is too old.",
    fix: "Install Node.js 24.15 or newer, or use `npm start`, which brings its own.",
  },
  timed_out: {
    class: "timeout",
    title: "The time allowed for it is over.",
    fix: "Raise the timeout, or find out what takes so long with `maestro logs`.",
  },
  pending_approval: { class: "pending", title: "It waits for an approval.", fix: "See `maestro approvals`." },
  internal: {
    class: "internal",
    title: "Maestro met a fault of its own.",
    fix: "Report it with the output of `--debug`.",
  },
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

export type ProblemCode = keyof typeof PROBLEMS;

/** CLI exit code per class; `maestro help exit-codes` prints this table. */
export const EXIT_CODES: Readonly<Record<ProblemClass, number>> = {
  failed: 1,
  internal: 1,
  usage: 2,
  denied: 3,
  auth: 4,
  not_found: 5,
  conflict: 6,
  verification: 7,
  tampered: 11,
  timeout: 8,
  unavailable: 9,
  pending: 10,
};

/** HTTP status per class (RFC 9457 `status`). */
export const HTTP_STATUS: Readonly<Record<ProblemClass, number>> = {
  failed: 422,
  internal: 500,
  usage: 400,
  denied: 403,
  auth: 401,
  not_found: 404,
  conflict: 409,
  verification: 422,
  tampered: 500,
  timeout: 504,
  unavailable: 503,
  pending: 409,
};

/**
 * An error with a stable code. `detail` is for the caller and says what happened here; `facts` are its particulars
 * as data; `fix` overrides the catalogue's advice where the place knows better. Internal context belongs in `cause`.
 */
export class MaestroError extends Error {
  readonly code: ProblemCode;
  readonly facts: Readonly<Record<string, JsonValue>>;
  readonly fix: string;

  constructor(
    code: ProblemCode,
    detail: string,
    options: {
      readonly cause?: unknown;
      readonly facts?: Readonly<Record<string, JsonValue>>;
      readonly fix?: string;
    } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "MaestroError";
    this.code = code;
    this.facts = options.facts ?? {};
    this.fix = options.fix ?? PROBLEMS[code].fix;
  }

  get class(): ProblemClass {
    return PROBLEMS[this.code].class;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
