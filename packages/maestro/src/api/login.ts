import { hash } from "node:crypto";
import { MaestroError } from "../core/problem.ts";
import { sessionCookie } from "../identity/cookie.ts";
import { IDENTITY_DEFAULTS } from "../identity/settings.ts";
import { targetOf } from "./api-request.ts";
import { text } from "./field.ts";
import { isLoopback } from "./listen-address.ts";
import { object } from "./respond.ts";
import { route } from "./route.ts";
import { recordBegun, sessionView } from "./sessions.ts";
import { WholeResponse } from "./whole.ts";

export const describeIdentity = route({
  method: "GET",
  path: "/v1/identity",
  operation: "describeIdentity",
  access: null,
  summary: "How to log in here: the identity providers, and what their tokens must be meant for. No secret is in it.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "IdentityDescription",
      description: "`issuers`: by name, with `login` where people log in by it.",
    },
  ],
  async handle({ identity }) {
    const { issuers } = await (await identity()).settings();
    return object("IdentityDescription", {
      issuers: [...issuers.values()].map(({ name, issuer, audience, type, login }) => ({
        name,
        issuer,
        audience,
        type,
        login:
          login === undefined ? null : { clientId: login.clientId, scopes: login.scopes, audienceParameter: login.ask },
      })),
    });
  },
});

export const makeLoginLink = route({
  method: "POST",
  path: "/v1/login-links",
  operation: "makeLoginLink",
  access: { action: "session.manage", as: "change" },
  summary:
    "Makes a link that lets a browser of this machine in as the owner, once, within five minutes. Only where the server listens on loopback.",
  body: {},
  answers: [
    { status: 201, type: "application/json", schema: "LoginLink", description: "`url`, and until when it is good." },
  ],
  async handle({ identity, listening }, { access }) {
    await access.onInstallation();
    const { via } = access.caller;
    if (via !== "socket" && via !== "token")
      throw new MaestroError(
        "denied",
        "A login link is made by the owner: on the control socket, or with the owner's token.",
      );
    const url = URL.parse(listening() ?? "");
    if (url === null || !isLoopback(url.hostname.replace(/^\[|\]$/g, "")))
      throw new MaestroError(
        "conflict",
        url === null
          ? "This control plane serves no browser: it does not listen on the network."
          : `This control plane listens on ${url.host}, and login links are for browsers of its own machine.`,
        {
          fix: "Start it with `maestro up`, which listens on 127.0.0.1; for others configure an identity provider: docs/guides/identity.md.",
        },
      );
    const { code, expiresAt } = (await identity()).makeLoginCode();
    // Behind the #, where it is sent to nobody: neither a log nor a Referer has it.
    return object("LoginLink", { url: `${url.origin}/login#${code}`, expiresAt }, { status: 201 });
  },
});

export const redeemLoginLink = route({
  method: "POST",
  path: "/v1/login-links/redeem",
  operation: "redeemLoginLink",
  access: null,
  summary: "Spends the code of a login link; the session is in the cookie that comes with the answer.",
  body: { code: text("What stands behind the # of the link.", { max: 100 }) },
  answers: [{ status: 201, type: "application/json", schema: "SessionAnswer", description: "`session`." }],
  async handle({ identity, audit }, { request, body }) {
    const url = targetOf(request);
    if (!isLoopback(url.hostname.replace(/^\[|\]$/g, "")))
      throw new MaestroError("denied", "Login links are for browsers of the control plane's own machine.");
    const agent = (request.headers.get("user-agent") ?? "").replaceAll(/[^\u0020-\u007e]/g, "?");
    const begun = await (await identity()).byLoginCode(body.code, `browser ${agent}`);
    await recordBegun(audit, begun, request, "login-link");
    const { token, session } = begun;
    return object(
      "Session",
      { session: sessionView(session) },
      { status: 201, headers: { "set-cookie": sessionCookie(url, token, IDENTITY_DEFAULTS.sessionMs) } },
    );
  },
});

const STYLE =
  "body{font:1rem/1.5 system-ui,sans-serif;margin:4rem auto;max-width:34rem;padding:0 1rem;color:#1b1b1f;background:#fff}@media(prefers-color-scheme:dark){body{color:#e4e4e8;background:#17171a}}";

/** The code leaves the address line before anything else happens, so that no history keeps it. */
const SCRIPT = `const say = (text) => { document.querySelector("p").textContent = text; };
const code = location.hash.slice(1);
history.replaceState(null, "", "/login");
if (code === "") say("This page needs a link: maestro login --link");
else fetch("/v1/login-links/redeem", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code }) })
  .then(async (response) => ({ ok: response.ok, answer: await response.json() }))
  .then(({ ok, answer }) => say(ok ? "Logged in as " + answer.session.subject + " until " + new Date(answer.session.expiresAt).toLocaleString() + "." : answer.detail + " " + answer.fix))
  .catch((error) => say("The control plane does not answer: " + error.message));`;

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Summit Maestro: log in</title>
<style>${STYLE}</style>
<h1>Summit Maestro</h1>
<p role="status">Logging in…</p>
<noscript><p>Without JavaScript nobody can log in here.</p></noscript>
<script>${SCRIPT}</script>
</html>
`;

const sourceOf = (content: string): string => `'sha256-${hash("sha256", content, "base64")}'`;

const PAGE_POLICY = `default-src 'none'; script-src ${sourceOf(SCRIPT)}; style-src ${sourceOf(STYLE)}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export const showLoginPage = route({
  method: "GET",
  path: "/login",
  operation: "showLoginPage",
  access: null,
  summary: "The page that a login link opens. It holds nothing of anybody and loads nothing from anywhere.",
  answers: [{ status: 200, type: "text/html", description: "A page that redeems the code behind its #." }],
  handle: () =>
    Promise.resolve(
      new WholeResponse(PAGE, {
        headers: {
          "content-type": "text/html; charset=utf-8",
          "cache-control": "no-store",
          "content-security-policy": PAGE_POLICY,
        },
      }),
    ),
});
