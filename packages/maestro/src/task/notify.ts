import type { JsonObject } from "../core/json.ts";
import type { CredentialSource } from "./credential.ts";
import { task } from "./define.ts";
import { deliver } from "./deliver.ts";
import { allowanceProblem, systemResolve } from "./http-admit.ts";
import type { Resolve } from "./http-admit.ts";
import { messageId, stepFacts } from "./notification.ts";
import type { Notification } from "./notification.ts";
import { slackMessage, teamsMessage } from "./notify-chat.ts";
import { DEFAULT_NOTIFY_TIMEOUT_MS, notifyDescription } from "./notify-description.ts";
import { emailProblems, sendEmail } from "./notify-email.ts";
import type { Email } from "./notify-email.ts";
import type { TaskContext, TaskType } from "./task.ts";
import { signatureHeaders } from "./webhook-signature.ts";
import type { SigningKeys } from "./webhook-signature.ts";
import { prefixed, targetOf, webhookUrlProblem } from "./webhook-target.ts";
import type { Target } from "./webhook-target.ts";

interface Input {
  readonly notification: Notification;
  readonly to: {
    readonly webhook?: SigningKeys & { readonly url: string | CredentialSource };
    readonly email?: Email;
    readonly slack?: { readonly url: CredentialSource };
    readonly teams?: { readonly url: CredentialSource };
  };
  readonly timeoutMs?: number;
  readonly allowPrivate?: readonly string[];
}

export const notify: TaskType = notifyType({ resolve: systemResolve });

/** The type with another way to resolve names. */
export function notifyType({ resolve }: { readonly resolve: Resolve }): TaskType {
  return {
    description: notifyDescription,
    init: (context) => task<Input>({ check: problemsOf, work: (input) => execute(input, resolve, context) }),
  };
}

function problemsOf({ to, allowPrivate = [] }: Input): readonly string[] {
  const url = to.webhook?.url;
  return [
    ...(typeof url === "string" ? prefixed("to.webhook.url", webhookUrlProblem(url)) : []),
    ...(to.email === undefined ? [] : emailProblems(to.email)),
    ...allowPrivate.flatMap((entry) => prefixed("allowPrivate", allowanceProblem(entry))),
  ];
}

async function execute(input: Input, resolve: Resolve, context: TaskContext): Promise<JsonObject> {
  const { notification, to, timeoutMs = DEFAULT_NOTIFY_TIMEOUT_MS, allowPrivate = [] } = input;
  const id = messageId(context, input as unknown as JsonObject);
  const facts = stepFacts(context);
  const rules = { timeoutMs, allowPrivate };
  if (to.email !== undefined) {
    const sent = await sendEmail(to.email, { id, notification, facts }, { ...rules, resolve }, context);
    return { id, channel: "email", ...sent };
  }
  const post = async (channel: string, target: Target, body: JsonObject, sign?: SigningKeys): Promise<JsonObject> => {
    const text = JSON.stringify(body);
    const signature = sign === undefined ? {} : await signatureHeaders(context, sign, { id, body: text });
    const headers = { "content-type": "application/json", ...signature };
    const { status } = await deliver({ ...target, ...rules, headers, body: text, codes: "NOTIFY" }, resolve, context);
    return { id, channel, status };
  };
  if (to.slack !== undefined)
    return post("slack", await targetOf(context, to.slack.url), slackMessage(notification, facts));
  if (to.teams !== undefined)
    return post("teams", await targetOf(context, to.teams.url), teamsMessage(notification, facts));
  const { webhook } = to;
  if (webhook === undefined) throw new Error("the schema let a notification without a receiver through");
  const timestamp = new Date(context.now()).toISOString();
  const body = { type: "maestro.notification", timestamp, data: { ...notification, run: { ...facts } } };
  return post("webhook", await targetOf(context, webhook.url), body, webhook);
}
