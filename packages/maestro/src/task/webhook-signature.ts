import { createHmac } from "node:crypto";
import { readCredential } from "./credential.ts";
import type { CredentialPlace, CredentialSource } from "./credential.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

/** Standard Webhooks: keys have 24 to 64 bytes. */
const KEY_BYTES = { min: 24, max: 64 };

export interface SigningKeys {
  readonly key: CredentialSource;
  /** While receivers change over: both sign, and either signature is enough. */
  readonly previousKey?: CredentialSource;
}

/** What a signature needs of a task. */
type Signer = CredentialPlace & Pick<TaskContext, "now">;

/** The headers by which a receiver of a webhook knows the sender, the moment and the message (Standard Webhooks 1.0). */
export async function signatureHeaders(
  context: Signer,
  keys: SigningKeys,
  message: { readonly id: string; readonly body: string | Uint8Array },
): Promise<Readonly<Record<string, string>>> {
  const sources = [keys.key, ...(keys.previousKey === undefined ? [] : [keys.previousKey])];
  const secrets = await Promise.all(sources.map((source) => readKey(context, source)));
  const timestamp = String(Math.floor(context.now() / 1000));
  const begin = `${message.id}.${timestamp}.`;
  const signatures = secrets.map(
    (secret) => `v1,${createHmac("sha256", secret).update(begin).update(message.body).digest("base64")}`,
  );
  return { "webhook-id": message.id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

/** Base64, with or without the prefix that marks it as a webhook's secret. */
async function readKey(context: CredentialPlace, source: CredentialSource): Promise<Buffer> {
  const text = (await readCredential(context, source)).trim().replace(/^whsec_/, "");
  const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);
  if (bytes.length >= KEY_BYTES.min && bytes.length <= KEY_BYTES.max) return bytes;
  const where = "env" in source ? `The variable ${source.env}` : `The file ${source.file}`;
  throw new TaskFailure({
    code: "CREDENTIAL",
    message: `${where} holds no key of a webhook: it is base64 of ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes, with or without "whsec_" before it. \`openssl rand -base64 32\` makes one.`,
    final: true,
  });
}
