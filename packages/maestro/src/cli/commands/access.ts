import type { CommandSpec } from "../spec.ts";

/** Who somebody is to a control plane. */
export const ACCESS: readonly CommandSpec[] = [
  {
    name: "login",
    group: "system",
    summary: "begin a session at a control plane",
    description:
      "By default a browser on this machine opens the identity provider's page; with --device a browser anywhere; with --ci a job of GitHub Actions shows who it is, and with --exchange any token of a provider does. " +
      "The session's token is kept in `credentials.json` beside the configuration, readable by you alone, for that server only; it is never printed.\n\n" +
      "With --link nothing is begun here: a link is printed that lets one browser on the control plane's own machine in as its owner, once.",
    args: [],
    options: [
      { flags: "--device", about: "Show a code to enter in a browser on any machine" },
      { flags: "--ci", about: "As this job of GitHub Actions (needs `permissions: id-token: write`)" },
      { flags: "--exchange <file>", about: "By the token in this file, - for stdin: that of another CI system" },
      { flags: "--link", about: "Print a link that lets the owner's browser in, once" },
      { flags: "--issuer <name>", about: "Which provider, where the control plane has several" },
    ],
    examples: [
      ["maestro login --server https://maestro.example", "by a browser on this machine"],
      ["maestro login --device", "where there is no browser: by one elsewhere"],
      ["maestro login --ci", "in a job of GitHub Actions"],
      ["maestro login --exchange -", "with a token from stdin"],
      ["maestro login --link", "the owner's own browser, without a provider"],
    ],
    load: () => import("../command/login.ts"),
  },
  {
    name: "logout",
    group: "system",
    summary: "end the session that login began",
    description: "Ends it at the control plane, at once, and forgets its token here.",
    args: [],
    options: [],
    examples: [["maestro logout", "from the server that commands work on"]],
    load: () => import("../command/logout.ts"),
  },
  {
    name: "whoami",
    group: "system",
    summary: "show who you are to the control plane, and with which roles",
    description: "As the control plane sees it: the roles of each namespace are those of its settings at this moment.",
    args: [],
    options: [],
    examples: [["maestro whoami", "who, with which roles, by what"]],
    load: () => import("../command/whoami.ts"),
  },
  {
    name: "session list",
    group: "system",
    summary: "list sessions",
    description: "Your own; with --all or --of those of others, for whoever may manage sessions.",
    args: [],
    options: [
      { flags: "--all", about: "Everybody's" },
      { flags: "--of <id>", about: "Those of this caller, such as company:anna" },
      { flags: "--ended", about: "Also those that are over" },
      { flags: "--limit <n>", about: "At most so many (default: 100)" },
    ],
    examples: [
      ["maestro session list", "your own"],
      ["maestro session list --all", "everybody's"],
    ],
    load: () => import("../command/session-list.ts"),
  },
  {
    name: "session revoke",
    group: "system",
    summary: "end sessions at once and for good",
    description:
      "The next request with their token is refused. Your own; those of others for whoever may manage sessions.",
    args: [{ name: "session", about: "Ids, as `maestro session list` shows them", optional: true, many: true }],
    options: [{ flags: "--of <id>", about: "All sessions of this caller" }],
    examples: [
      ["maestro session revoke s_01kxw3v9dgz4m2abcde", "one"],
      ["maestro session revoke --of company:anna", "all of somebody who has left"],
    ],
    load: () => import("../command/session-revoke.ts"),
  },
];
