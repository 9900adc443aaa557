import { appendFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { CredentialSource } from "../task/credential.ts";
import { signatureHeaders } from "../task/webhook-signature.ts";
import { webhookUrlProblem } from "../task/webhook-target.ts";
import type { Channel } from "./notices.ts";

/** A channel as policy.yaml has it. A command is none: whoever may write the policy would run programs as the engine. */
export type ChannelSettings =
  | { readonly webhook: string; readonly key: CredentialSource }
  /** Lines of JSON are added to it; relative to the data directory. */
  | { readonly file: string };

export const CHANNEL_LIMITS = { channels: 20, timeoutMs: 10_000 } as const;

const NAME = /^[a-z][a-z0-9-]{0,39}$/;

/** `notify:` of policy.yaml. */
export function readChannels(
  value: JsonValue | undefined,
  faults: string[],
): Readonly<Record<string, ChannelSettings>> {
  if (value === undefined || value === null) return {};
  if (!isJsonObject(value)) {
    faults.push("notify is not a mapping of names to channels");
    return {};
  }
  const entries = Object.entries(value);
  if (entries.length > CHANNEL_LIMITS.channels) faults.push(`notify has more than ${CHANNEL_LIMITS.channels} channels`);
  return Object.fromEntries(
    entries.flatMap(([name, one]) => {
      if (!NAME.test(name)) faults.push(`notify.${name} is no name: small letters, digits and hyphens`);
      const channel = isJsonObject(one) ? readChannel(one, `notify.${name}`, faults) : undefined;
      if (channel === undefined) {
        if (!isJsonObject(one)) faults.push(`notify.${name} is not a mapping`);
        return [];
      }
      return [[name, channel] as const];
    }),
  );
}

function readChannel(value: JsonObject, where: string, faults: string[]): ChannelSettings | undefined {
  const { webhook, file, key, ...rest } = value;
  for (const name of Object.keys(rest))
    faults.push(
      name === "command"
        ? `${where}.command: a notice starts no program; use a webhook or a file`
        : `${where} has no member ${JSON.stringify(name)}; there are webhook, key and file`,
    );
  if ((webhook === undefined) === (file === undefined)) {
    faults.push(`${where} has either a webhook or a file`);
    return undefined;
  }
  if (webhook === undefined) {
    if (typeof file === "string" && file !== "" && key === undefined) return { file };
    faults.push(`${where}.file is the path of a file, which needs no key`);
    return undefined;
  }
  const problem = typeof webhook === "string" ? webhookUrlProblem(webhook) : "is not a text";
  if (typeof webhook !== "string" || problem !== undefined) {
    faults.push(`${where}.webhook: ${problem ?? ""}`);
    return undefined;
  }
  const source = readSource(key);
  if (source === undefined) {
    faults.push(`${where}.key says where the key of the signature is: { env: NAME } or { file: PATH }`);
    return undefined;
  }
  return { webhook, key: source };
}

function readSource(value: JsonValue | undefined): CredentialSource | undefined {
  if (!isJsonObject(value) || Object.keys(value).length !== 1) return undefined;
  const { env, file } = value;
  if (typeof env === "string" && /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(env)) return { env };
  return typeof file === "string" && file !== "" ? { file } : undefined;
}

export interface ChannelParts {
  readonly dataDir: string;
  readonly now: () => number;
  /** A variable of the engine's environment, for keys that the settings name. */
  readonly environment: (name: string) => string | undefined;
}

export function openChannels(
  settings: Readonly<Record<string, ChannelSettings>>,
  parts: ChannelParts,
): ReadonlyMap<string, Channel> {
  return new Map(
    Object.entries(settings).map(([name, one]) => [
      name,
      "file" in one ? fileChannel(name, resolve(parts.dataDir, one.file)) : webhookChannel(name, one, parts),
    ]),
  );
}

function fileChannel(name: string, path: string): Channel {
  return {
    name,
    shown: path,
    deliver: async ({ text }) => appendFile(path, `${text}\n`, { mode: 0o600, flush: true }),
  };
}

/** Signed as Standard Webhooks has it, so that the receiver knows who tells it. */
function webhookChannel(
  name: string,
  { webhook, key }: Extract<ChannelSettings, { webhook: string }>,
  { dataDir, now, environment }: ChannelParts,
): Channel {
  const url = new URL(webhook);
  return {
    name,
    shown: `${url.origin}/…`,
    async deliver({ id, text }) {
      const signature = await signatureHeaders({ base: dataDir, now, environment }, { key }, { id, body: text });
      const { request } = await import("undici");
      const { statusCode, body } = await request(url, {
        method: "POST",
        headers: { "content-type": "application/cloudevents+json", ...signature },
        body: text,
        signal: AbortSignal.timeout(CHANNEL_LIMITS.timeoutMs),
      });
      // What it says does not matter, and may not hold the connection; that it was cut is no news to anybody.
      body.on("error", () => undefined).destroy();
      if (statusCode < 200 || statusCode > 299) throw new Error(`it answered with status ${statusCode}`);
    },
  };
}
