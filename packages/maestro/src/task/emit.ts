import type { JsonObject } from "../core/json.ts";
import { appendLines } from "./append-lines.ts";
import { asBinary, asJson, cloudEvent, eventProblems } from "./cloudevent.ts";
import type { CloudEvent, EventInput } from "./cloudevent.ts";
import { readCredential } from "./credential.ts";
import type { CredentialSource } from "./credential.ts";
import { inputPath, task } from "./define.ts";
import { deliver } from "./deliver.ts";
import { DEFAULT_EMIT_TIMEOUT_MS, MAX_EMITTED_BYTES, emitDescription } from "./emit-description.ts";
import { allowanceProblem, systemResolve } from "./http-admit.ts";
import type { Resolve } from "./http-admit.ts";
import { messageId } from "./notification.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskType } from "./task.ts";
import { signatureHeaders } from "./webhook-signature.ts";
import { prefixed, targetOf, webhookUrlProblem } from "./webhook-target.ts";

interface Webhook {
  readonly url: string | CredentialSource;
  readonly mode?: "structured" | "binary";
  readonly key?: CredentialSource;
  readonly previousKey?: CredentialSource;
  readonly token?: CredentialSource;
}

interface Input {
  readonly event?: EventInput;
  readonly events?: readonly EventInput[];
  readonly to: { readonly webhook?: Webhook; readonly file?: { readonly path: string } };
  readonly timeoutMs?: number;
  readonly allowPrivate?: readonly string[];
}

interface Request {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export const emit: TaskType = emitType({ resolve: systemResolve });

/** The type with another way to resolve names. */
export function emitType({ resolve }: { readonly resolve: Resolve }): TaskType {
  return {
    description: emitDescription,
    init: (context) => task<Input>({ check: problemsOf, work: (input) => execute(input, resolve, context) }),
  };
}

function problemsOf({ event, events, to, allowPrivate = [] }: Input): readonly string[] {
  const url = to.webhook?.url;
  return [
    ...(event === undefined ? [] : eventProblems(event, "event")),
    ...(events ?? []).flatMap((one, i) => eventProblems(one, `events[${i}]`)),
    ...(events !== undefined && to.webhook?.mode === "binary" ? ["to.webhook.mode: a batch has no binary mode"] : []),
    ...(typeof url === "string" ? prefixed("to.webhook.url", webhookUrlProblem(url)) : []),
    ...allowPrivate.flatMap((entry) => prefixed("allowPrivate", allowanceProblem(entry))),
  ];
}

async function execute(input: Input, resolve: Resolve, context: TaskContext): Promise<JsonObject> {
  const id = messageId(context, input as unknown as JsonObject);
  const time = new Date(context.now()).toISOString();
  const source = `/maestro/${encodeURIComponent(context.namespace)}/${encodeURIComponent(context.task)}`;
  const events = (input.events ?? [input.event ?? { type: "" }]).map((event, i) =>
    cloudEvent(event, { id: input.events === undefined ? id : `${id}-${i}`, source, time }),
  );
  const output = {
    ids: events.map(({ attributes }) => String(attributes["id"])),
    source: String(events[0]?.attributes["source"]),
  };
  const { webhook, file } = input.to;
  if (file !== undefined) {
    const path = inputPath(context, file.path);
    const lines = events.map((event) => JSON.stringify(asJson(event)));
    refuseLarge(lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0));
    return { ...output, path, bytes: await appendLines(path, lines) };
  }
  if (webhook === undefined) throw new Error("the schema let an event without a receiver through");
  const request = requestOf(events, input.events !== undefined, webhook.mode ?? "structured");
  refuseLarge(request.body.length);
  const { key, previousKey, token } = webhook;
  const keys = key === undefined ? undefined : { key, ...(previousKey === undefined ? {} : { previousKey }) };
  const headers = {
    ...request.headers,
    ...(keys === undefined ? {} : await signatureHeaders(context, keys, { id, body: request.body })),
    ...(token === undefined ? {} : { authorization: `Bearer ${await readToken(context, token)}` }),
  };
  const { timeoutMs = DEFAULT_EMIT_TIMEOUT_MS, allowPrivate = [] } = input;
  const target = await targetOf(context, webhook.url);
  const delivery = { ...target, headers, body: request.body, timeoutMs, allowPrivate, codes: "EMIT" };
  const { status } = await deliver(delivery, resolve, context);
  return { ...output, status, bytes: request.body.length };
}

function requestOf(events: readonly CloudEvent[], batch: boolean, mode: "structured" | "binary"): Request {
  const [first] = events;
  if (!batch && mode === "binary" && first !== undefined) return asBinary(first);
  const json = events.map(asJson);
  return {
    headers: { "content-type": `application/cloudevents${batch ? "-batch" : ""}+json; charset=UTF-8` },
    body: Buffer.from(JSON.stringify(batch ? json : json[0])),
  };
}

async function readToken(context: TaskContext, source: CredentialSource): Promise<string> {
  const token = await readCredential(context, source);
  // RFC 6750 2.1
  if (/^[A-Za-z0-9._~+/-]+=*$/.test(token)) return token;
  const where = "env" in source ? `The variable ${source.env}` : `The file ${source.file}`;
  throw new TaskFailure({ code: "CREDENTIAL", message: `${where} holds no bearer token.`, final: true });
}

function refuseLarge(bytes: number): void {
  if (bytes <= MAX_EMITTED_BYTES) return;
  throw new TaskFailure({
    code: "TOO_LARGE",
    message: `The events have ${bytes} bytes; at most ${MAX_EMITTED_BYTES} are emitted by one task. Emit fewer at a time, or refer to the data instead of carrying it.`,
    final: true,
  });
}
