import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { SendMailOptions } from "nodemailer";
import type SMTPTransport from "nodemailer/lib/smtp-transport/index.js";
import type { JsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { readCredential } from "./credential.ts";
import type { CredentialSource } from "./credential.ts";
import { inputPath } from "./define.ts";
import { admitHost } from "./http-admit.ts";
import type { Resolve } from "./http-admit.ts";
import { abortable, errorCode, isTlsProblem, pinned, tlsFailure } from "./http-exchange.ts";
import { unreadable } from "./json-file.ts";
import type { Notification, StepFacts } from "./notification.ts";
import { origin } from "./notify-chat.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

export interface Email {
  readonly server: {
    readonly host: string;
    readonly port?: number;
    readonly security?: "starttls" | "tls" | "none";
    readonly user?: CredentialSource;
    readonly password?: CredentialSource;
    /** Path of a PEM file. */
    readonly ca?: string;
  };
  readonly from: string;
  readonly to: readonly string[];
  readonly html?: boolean;
}

const PORTS = { starttls: 587, tls: 465, none: 25 };
const MAX_RESPONSE_BYTES = 64 * 1024;

/** What the schema cannot say. */
export function emailProblems({ server }: Email): readonly string[] {
  return server.security === "none" && server.password !== undefined
    ? [
        "to.email.server: a password is not sent over a connection without encryption; set `security` to starttls or tls",
      ]
    : [];
}

/**
 * Hands the message to the server, over a connection to an address that was checked. Fails with NOTIFY_UNREACHABLE,
 * NOTIFY_REJECTED, TIMEOUT, TLS, CREDENTIAL or BLOCKED_ADDRESS.
 */
export async function sendEmail(
  email: Email,
  message: { readonly id: string; readonly notification: Notification; readonly facts: StepFacts },
  rules: { readonly resolve: Resolve; readonly allowPrivate: readonly string[]; readonly timeoutMs: number },
  context: TaskContext,
): Promise<JsonObject> {
  const { host, security = "starttls", ca } = email.server;
  const port = email.server.port ?? PORTS[security];
  const where = `The mail server ${host}:${port}`;
  const timeout = AbortSignal.timeout(rules.timeoutMs);
  const signal = AbortSignal.any([context.signal, timeout]);
  let socket: Socket | undefined;
  const cutOff = (): void => void socket?.destroy();
  try {
    const auth = await authOf(email, context);
    const authority = ca === undefined ? {} : { ca: await readAuthority(inputPath(context, ca)) };
    const addresses = await abortable(admitHost(host, rules), signal);
    socket = await open({ host, port, lookup: pinned(addresses) }, signal);
    // It leaves no data behind and reads no more after that.
    signal.addEventListener("abort", cutOff, { once: true });
    const { createTransport } = await import("nodemailer");
    const options: SMTPTransport.Options = {
      host,
      port,
      secure: security === "tls",
      requireTLS: security === "starttls",
      ignoreTLS: security === "none",
      tls: { minVersion: "TLSv1.2", rejectUnauthorized: true, ...authority },
      getSocket: (_options, callback) => callback(null, { connection: socket }),
      connectionTimeout: rules.timeoutMs,
      greetingTimeout: rules.timeoutMs,
      socketTimeout: rules.timeoutMs,
      maxResponseSize: MAX_RESPONSE_BYTES,
      disableFileAccess: true,
      disableUrlAccess: true,
      ...(auth === undefined ? {} : { auth }),
    };
    const transport = createTransport(options);
    const sent = await abortable(transport.sendMail(mailOf(email, message, context.now())), signal);
    const accepted = sent.accepted.length;
    context.emit({
      kind: "log",
      stream: "info",
      bytes: `${where} took the message for ${accepted} of ${email.to.length}\n`,
    });
    const output = { response: shownResponse(sent.response), accepted };
    if (accepted === email.to.length) return output;
    throw new TaskFailure(
      {
        code: "NOTIFY_REJECTED",
        message: `${where} refused ${email.to.length - accepted} of ${email.to.length} recipients: ${sent.rejected.join(", ")}. The others get the message. Correct the addresses.`,
        final: true,
      },
      { output },
    );
  } catch (thrown) {
    context.signal.throwIfAborted();
    if (timeout.aborted)
      throw new TaskFailure(
        {
          code: "TIMEOUT",
          message: `${where} did not take the message within ${rules.timeoutMs} ms. Raise \`timeoutMs\`, or see why it is slow.`,
        },
        { cause: thrown },
      );
    throw explain(thrown, where);
  } finally {
    signal.removeEventListener("abort", cutOff);
    socket?.destroy();
  }
}

async function authOf({ server }: Email, context: TaskContext): Promise<{ user: string; pass: string } | undefined> {
  if (server.user === undefined || server.password === undefined) return undefined;
  return { user: await readCredential(context, server.user), pass: await readCredential(context, server.password) };
}

async function readAuthority(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (thrown) {
    throw unreadable(path, thrown as NodeJS.ErrnoException);
  }
}

async function open(
  options: { readonly host: string; readonly port: number; readonly lookup: ReturnType<typeof pinned> },
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect({ ...options, autoSelectFamily: true, signal });
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket;
}

function mailOf(
  email: Email,
  { id, notification, facts }: { readonly id: string; readonly notification: Notification; readonly facts: StepFacts },
  now: number,
): SendMailOptions {
  const from = mailbox(email.from);
  const { severity = "info" } = notification;
  return {
    // As objects they are not parsed again.
    from,
    to: email.to.map(mailbox),
    subject: `${severity === "info" || severity === "success" ? "" : `[${severity}] `}${notification.title}`,
    text: plainText(notification, facts),
    ...(email.html === true ? { html: htmlText(notification, facts) } : {}),
    messageId: `<${id}@${from.address.slice(from.address.indexOf("@") + 1)}>`,
    date: new Date(now),
    priority: severity === "critical" ? "high" : "normal",
    // RFC 3834: nobody's absence is announced to us.
    headers: { "auto-submitted": "auto-generated", "x-maestro-run": facts.id, "x-maestro-task": facts.task },
  };
}

function mailbox(text: string): { name: string; address: string } {
  const [, name = "", address = text] = /^(.*) <(.*)>$/.exec(text) ?? [];
  return { name, address };
}

function plainText({ title, text, fields = [], link }: Notification, facts: StepFacts): string {
  const parts = [
    title,
    ...(text === undefined || text.trim() === "" ? [] : [text.trimEnd()]),
    ...(fields.length === 0 ? [] : [fields.map(({ name, value }) => `${name}: ${value}`).join("\n")]),
    ...(link === undefined ? [] : [`${link.title ?? "Open"}: ${link.url}`]),
    `-- \n${origin(facts)}`,
  ];
  return `${parts.join("\n\n")}\n`;
}

function htmlText({ title, text = "", fields = [], link }: Notification, facts: StepFacts): string {
  const rows = fields
    .map(({ name, value }) => `<tr><th align="left">${escaped(name)}</th><td>${escaped(String(value))}</td></tr>`)
    .join("\n");
  return `<!doctype html>
<html><body>
<h2>${escaped(title)}</h2>
<p style="white-space: pre-wrap">${escaped(text)}</p>
<table>${rows}</table>
${link === undefined ? "" : `<p><a href="${escaped(link.url)}">${escaped(link.title ?? "Open")}</a></p>`}
<p><small>${escaped(origin(facts))}</small></p>
</body></html>
`;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

function explain(thrown: unknown, where: string): unknown {
  if (thrown instanceof TaskFailure) return thrown;
  const { originalCode } = thrown as { readonly originalCode?: unknown };
  const code = typeof originalCode === "string" ? originalCode : errorCode(thrown);
  if (code === "") return thrown;
  if (code === "ETLS" || (code !== "EPROTOCOL" && isTlsProblem(code))) return tlsFailure(thrown, where, code);
  const reply = thrown instanceof Error && "responseCode" in thrown ? thrown.responseCode : undefined;
  const said = shownResponse(messageOf(thrown));
  const details = { code, ...(typeof reply === "number" ? { reply } : {}) };
  // RFC 5321 4.2.1: 5yz is for good; 4yz, or no reply at all, may be otherwise the next time.
  const final = (typeof reply === "number" && reply >= 500) || (code === "EENVELOPE" && reply === undefined);
  return new TaskFailure(
    final
      ? {
          code: "NOTIFY_REJECTED",
          message: `${where} refused it: ${said}. ${code === "EAUTH" ? "Check the user name and the password." : "Check the sender and the recipients."}`,
          details,
          final,
        }
      : {
          code: "NOTIFY_UNREACHABLE",
          message: `${where} did not take the message: ${said}. Check the address and the port, or try later.`,
          details,
        },
    { cause: thrown },
  );
}

function shownResponse(text: string): string {
  return text
    .replaceAll(/[\p{C}\s]+/gu, " ")
    .trim()
    .slice(0, 300)
    .toWellFormed();
}
