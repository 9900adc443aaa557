// Writes docs/reference/configuration.md from the shapes, tables and limits that the code reads by. A test keeps the two equal.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Shape } from "../packages/maestro/src/api/field.ts";
import { CONFIG_LIMITS, CONTEXT_SHAPE, PROJECT_SHAPE } from "../packages/maestro/src/cli/config-file.ts";
import { GLOBAL_OPTIONS } from "../packages/maestro/src/cli/spec.ts";
import { VARIABLES } from "../packages/maestro/src/cli/variables.ts";
import type { VariableSpec } from "../packages/maestro/src/cli/variables.ts";
import { formatDuration } from "../packages/maestro/src/core/duration.ts";
import { GRANTABLE_ROLES } from "../packages/maestro/src/identity/read-rules.ts";
import type { ISSUER_MEMBERS, LOGIN_MEMBERS, SERVICE_MEMBERS } from "../packages/maestro/src/identity/read-settings.ts";
import {
  ALGORITHMS,
  CALLER_PROPERTIES,
  IDENTITY_DEFAULTS,
  IDENTITY_LIMITS,
} from "../packages/maestro/src/identity/settings.ts";
import { CLOCKS, DEFAULT_CLOCKS, POLICY_LIMITS } from "../packages/maestro/src/operations/retention-policy.ts";
import type { Clock } from "../packages/maestro/src/operations/retention-policy.ts";
import { WITNESS_SETTINGS_LIMITS } from "../packages/maestro/src/provenance/witness/settings.ts";

export const configurationPath = fileURLToPath(new URL("../docs/reference/configuration.md", import.meta.url));

/** Of `identity.yaml`; a key without a sentence here does not compile. */
const ISSUER_MEANINGS: Readonly<
  Record<(typeof ISSUER_MEMBERS)[number], readonly [meaning: string, otherwise: string]>
> = {
  issuer: [
    "The exact `iss` of its tokens: https, or http on this machine. Its discovery document must say the same.",
    "required",
  ],
  audience: ["What `aud` must hold, exactly: the name of this installation at the provider.", "required"],
  algorithms: [`What its keys sign with, pinned: ${ALGORITHMS.map((one) => `\`${one}\``).join(", ")}.`, "required"],
  type: [
    "The `typ` of its tokens: `at+jwt` (RFC 9068), or `JWT`, which ID tokens have too; then a token is only exchanged for a session, and one with a `nonce` is refused.",
    "`at+jwt`",
  ],
  subject: ["The claim that names the caller.", "`sub`"],
  callers: ["`user`, or `service` for a provider of programs.", "`user`"],
  clockSkew: [
    `How far its clock may be off, at most ${formatDuration(IDENTITY_LIMITS.skewMs)}.`,
    formatDuration(IDENTITY_DEFAULTS.skewMs),
  ],
  maxTokenLifetime: [
    `From \`iat\` to \`exp\`, at most ${formatDuration(IDENTITY_LIMITS.lifetimeMs)}.`,
    formatDuration(IDENTITY_DEFAULTS.lifetimeMs),
  ],
  session: ["How long a session lasts that began with its token.", "`identity.session`"],
  keyHosts: ["Hosts that its keys may come from, beside its own.", "none"],
  login: ["How people log in by it: `clientId`, `scopes`, `audienceParameter`.", "nobody does"],
  require: ["List of `claim` and `is`: a token must have one of the values of each, else it is refused.", "none"],
  roles: ["List of `claim`, `is`, `namespaces`, `roles`: whoever has one of the values has these roles there.", "none"],
  properties: [
    `Claims that policies may look at as ${CALLER_PROPERTIES.map((one) => `\`${one}\``).join(", ")}.`,
    "`acr` and `amr` by their own names",
  ],
};

const LOGIN_MEANINGS: Readonly<Record<(typeof LOGIN_MEMBERS)[number], readonly [meaning: string, otherwise: string]>> =
  {
    clientId: [
      "The client of `maestro login` at the provider: a public one, with PKCE and `http://127.0.0.1/callback`.",
      "required",
    ],
    scopes: ["What is asked for.", `\`[${IDENTITY_DEFAULTS.scopes.join(", ")}]\``],
    audienceParameter: [
      "How the audience is asked for: `resource` (RFC 8707), `audience`, or `none` where the scopes say it.",
      "`resource`",
    ],
  };

const SERVICE_MEANINGS: Readonly<
  Record<(typeof SERVICE_MEMBERS)[number], readonly [meaning: string, otherwise: string]>
> = {
  issuer: ["Name of one of `identity.issuers`.", "required"],
  subject: ["The exact subject of its tokens, or a list of which any will do. There are no patterns.", "required"],
  roles: ["List of `namespaces` and `roles`.", "required"],
};

export const IDENTITY_EXAMPLE = `identity:
  session: 8h
  issuers:
    company:
      issuer: https://login.example
      audience: https://maestro.example
      algorithms: [RS256]
      login: { clientId: maestro-cli }
      roles:
        - { claim: groups, is: [shop-developers], namespaces: [shop], roles: [operator, author] }
        - { claim: [realm_access, roles], is: maestro-admin, namespaces: ["*"], roles: [admin] }
    github:
      issuer: https://token.actions.githubusercontent.com
      audience: https://maestro.example
      algorithms: [RS256]
      type: JWT
      callers: service
      session: 1h
  services:
    shop-release:
      issuer: github
      subject: repo:shop/app:environment:release
      roles:
        - { namespaces: [shop], roles: [operator] }
`;

/** Examples that a test reads as Maestro does. */
export const CONFIG_EXAMPLE = `current: shop
contexts:
  shop:
    server: https://maestro.shop.example
    tokenFile: ~/.config/maestro/shop.token
  here:
    data: ~/maestro-data
`;

export const PROJECT_EXAMPLE = `apiVersion: maestro/v1
kind: Project
data: .maestro
`;

export const POLICY_EXAMPLE = `retention:
  default:
    logs: 14d
  namespaces:
    audit:
      events: forever
      receipts: forever
`;

const CLOCK_MEANINGS: Readonly<Record<Clock, string>> = {
  work: "Folders of attempts in `work/`, without their artifacts.",
  logs: "What attempts printed.",
  artifacts: "Files that attempts left.",
  events: "The history.",
  receipts: "Signed receipts.",
};

export function configurationPage(): string {
  return `<!-- Generated by scripts/generate-configuration.ts from packages/maestro/src/cli/variables.ts, cli/config-file.ts, cli/spec.ts, operations/retention-policy.ts and identity/: npm run docs -->

# Configuration

Nothing has to be configured. What is in force here, and where each value comes from, says

\`\`\`sh
maestro config view --origin
\`\`\`

Where several places say something, the first of this list counts:

1. a flag: \`--server\`, \`--data\` or \`--context\`, of which one may be given;
2. a variable: \`MAESTRO_SERVER\`, else \`MAESTRO_CONTEXT\`, else \`MAESTRO_DATA\`;
3. the project: the nearest \`maestro.yaml\` of kind Project or \`.maestro\` folder, here or above, that belongs to this user;
4. the current context of the configuration file;
5. \`$XDG_DATA_HOME/maestro\`, by default \`~/.local/share/maestro\`.

An empty variable is as good as none. The token of a server comes from \`--token-file\`, else \`MAESTRO_TOKEN\`, else
\`MAESTRO_TOKEN_FILE\`, else from a context with the same server, else from \`maestro login\`: never does the token of one server go to another.

## The configuration file

\`$XDG_CONFIG_HOME/maestro/config.yaml\`, by default \`~/.config/maestro/config.yaml\`. Change it with \`maestro config set\` and
\`maestro config use\`, which keep its comments, or by hand. At most ${CONFIG_LIMITS.bytes / 1024} KiB and ${CONFIG_LIMITS.contexts} contexts; YAML without aliases. What it
does not know it refuses.

\`\`\`yaml
${CONFIG_EXAMPLE.trimEnd()}
\`\`\`

${table(
  ["key", "meaning", "default", "limit"],
  [
    ["`current`", "Name of the context that is used where nothing else says.", "none", "a name of `contexts`"],
    ["`contexts.NAME`", "A server or a data directory.", "none", "small letters, digits, `-`, `_`; 63 characters"],
    ...shapeRows(CONTEXT_SHAPE, "contexts.NAME."),
  ],
)}

## A project

\`maestro.yaml\` with \`kind: Project\`, at the root of a project; a \`maestro.yaml\` of another kind is a manifest. It belongs to whoever
writes the repository, and so it can name neither a server nor a token, only a context of the user's own configuration. One that belongs to
another user is left alone.

\`\`\`yaml
${PROJECT_EXAMPLE.trimEnd()}
\`\`\`

${table(["key", "meaning", "default", "limit"], shapeRows(PROJECT_SHAPE, ""))}

## How long what stays

\`retention.yaml\` in the data directory ([the guide](../guides/keep-and-remove.md)). At most ${POLICY_LIMITS.bytes / 1024} KiB and ${POLICY_LIMITS.namespaces.toLocaleString("en")} namespaces. A duration such as
\`90d\` from the end of a run, or \`forever\`; none may be shorter than one above it in this table.

\`\`\`yaml
${POLICY_EXAMPLE.trimEnd()}
\`\`\`

${table(
  ["key", "meaning", "default"],
  CLOCKS.map((clock) => {
    const ms = DEFAULT_CLOCKS[clock];
    return [`\`retention.default.${clock}\``, CLOCK_MEANINGS[clock], ms === null ? "forever" : formatDuration(ms)];
  }),
)}

\`retention.namespaces.NAME\` has the same members for the runs of one namespace, by default those of \`retention.default\`.

## Who may come in

\`identity.yaml\` in the data directory ([the guide](../guides/identity.md)); without it only the owner. At most ${IDENTITY_LIMITS.bytes / 1024} KiB,
${IDENTITY_LIMITS.issuers} issuers, ${IDENTITY_LIMITS.services.toLocaleString("en")} services, and ${IDENTITY_LIMITS.rules.toLocaleString("en")} rules of each; YAML without aliases. It is read again within a second when it
changes; one that cannot be used lets in nobody but the owner until it is mended. What it does not know it refuses.

\`\`\`yaml
${IDENTITY_EXAMPLE.trimEnd()}
\`\`\`

${table(
  ["key", "meaning", "default"],
  [
    [
      "`identity.session`",
      `How long sessions last, from ${formatDuration(IDENTITY_LIMITS.sessionMinMs)} to ${formatDuration(IDENTITY_LIMITS.sessionMaxMs)}.`,
      formatDuration(IDENTITY_DEFAULTS.sessionMs),
    ],
    [
      "`identity.roles`",
      "Names of roles of your own, for `approvals.roles` of runbooks and for policies of your own; the default policy gives them nothing.",
      "none",
    ],
    ...meaningRows("identity.issuers.NAME.", ISSUER_MEANINGS),
    ...meaningRows("identity.issuers.NAME.login.", LOGIN_MEANINGS),
    ...meaningRows("identity.services.NAME.", SERVICE_MEANINGS),
  ],
)}

A claim is a name, or a list of names from the outside in. \`is\` is its exact value or a list of which one is enough; a claim that is a
list fits where one of its values does. Roles are ${GRANTABLE_ROLES.map((one) => `\`${one}\``).join(", ")}, and those of \`identity.roles\`; a namespace is a name, or \`"*"\` for all.

## Who sees the ledger

\`witness.yaml\` in the data directory ([the guide](../guides/ledger-and-witness.md)); without it nobody but this installation. At most
${WITNESS_SETTINGS_LIMITS.bytes / 1024} KiB and ${WITNESS_SETTINGS_LIMITS.witnesses} witnesses; YAML without aliases. It is read when \`maestro up\` starts, which a mistake in it prevents. What it does not
know it refuses.

${table(
  ["key", "meaning", "default"],
  [
    ["`witnesses[].url`", "Where a witness is; submissions go to `add-checkpoint` below it.", ""],
    ["`witnesses[].vkey`", "Its key, the line that `maestro witness init` prints.", ""],
    ["`quorum`", "So many witnesses make a checkpoint one that was seen.", "all of them"],
    ["`timestamp.url`", "An authority for timestamps (RFC 3161).", "none"],
    ["`timestamp.every`", "A checkpoint is stamped when the newest stamp is older; a minute or more.", "1h"],
    ["`timestamp.certificates`", "File with the certificates to believe (PEM), from the data directory.", ""],
  ],
)}

## Environment variables

Those that a command of a task is given are with [its type](task-types.md#exec1).

${VARIABLES.map(
  ({ title, summary, variables }) =>
    `### ${title}\n\n${summary === undefined ? "" : `${summary}\n\n`}${table(
      ["variable", "meaning", "default", "values"],
      variables.map(variableRow),
    )}`,
).join("\n\n")}

## Flags

Of every command; those of each are in the [reference of the command line](cli.md), with their defaults. Limits are not configured:
they are [the same everywhere](limits.md).

${table(
  ["flag", "meaning"],
  GLOBAL_OPTIONS.map(({ flags, about }) => [`\`${flags}\``, about]),
)}
`;
}

function meaningRows(
  prefix: string,
  meanings: Readonly<Record<string, readonly [meaning: string, otherwise: string]>>,
): readonly (readonly string[])[] {
  return Object.entries(meanings).map(([name, [meaning, otherwise]]) => [`\`${prefix}${name}\``, meaning, otherwise]);
}

function shapeRows(shape: Shape, prefix: string): readonly (readonly string[])[] {
  return Object.entries(shape).map(([name, field]) => {
    const { description, maxLength, pattern } = field.schema;
    const limits = [
      ...(typeof pattern === "string" ? [`\`${pattern}\``] : []),
      ...(typeof maxLength === "number" ? [`${maxLength.toLocaleString("en")} characters`] : []),
    ];
    const required = "optional" in field ? "none" : "required";
    return [`\`${prefix}${name}\``, typeof description === "string" ? description : "", required, limits.join("; ")];
  });
}

function variableRow({ name, about, otherwise = "", values = "", flag }: VariableSpec): readonly string[] {
  return [
    `\`${name}\``,
    flag === undefined ? about : `${about} The flag \`${flag}\` goes before it.`,
    otherwise,
    values,
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(configurationPath, configurationPage());
