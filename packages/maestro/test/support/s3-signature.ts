import { createHash, createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** A refusal as S3 words it. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly region: string;
}

const MAX_SKEW_MS = 15 * 60_000;

/** Signature Version 4 computed anew from what came over the wire; undefined where the request is right in every point. */
export function refuseSignature(request: IncomingMessage, keys: Keys, now = Date.now()): Refusal | undefined {
  const header = (name: string): string => String(request.headers[name] ?? "");
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/.exec(
      header("authorization"),
    );
  if (match === null) return refusal(403, "AccessDenied", "no Authorization of Signature Version 4");
  const [, accessKeyId = "", day = "", region = "", list = "", signature = ""] = match;
  if (accessKeyId !== keys.accessKeyId) return refusal(403, "InvalidAccessKeyId", "this key id does not exist");
  if (header("x-amz-security-token") !== (keys.sessionToken ?? ""))
    return refusal(400, "InvalidToken", "the token is wrong");
  if (region !== keys.region) return refusal(400, "AuthorizationHeaderMalformed", `the region is not ${keys.region}`);
  const date = header("x-amz-date");
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const at = Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s));
  if (!(Math.abs(at - now) < MAX_SKEW_MS) || !date.startsWith(day))
    return refusal(403, "RequestTimeTooSkewed", "the time is too far from the server's");
  const names = list.split(";");
  if (names.join() !== [...new Set(names)].sort().join()) return refusal(403, "AccessDenied", "headers out of order");
  // Host and everything of Amazon's must be under the signature.
  const due = ["host", ...Object.keys(request.headers).filter((name) => name.startsWith("x-amz-"))];
  const unsigned = due.find((name) => !names.includes(name));
  if (unsigned !== undefined) return refusal(403, "AccessDenied", `${unsigned} was not signed`);
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  if (
    path !==
    path
      .split("/")
      .map((part) => encode(decodeURIComponent(part)))
      .join("/")
  )
    return refusal(400, "InvalidURI", `the path ${path} is not encoded as signatures want it`);
  const canonical = [
    request.method ?? "",
    path,
    parametersOf(query)
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join("&"),
    ...names.map((name) => `${name}:${header(name).trim().replaceAll(/\s+/g, " ")}`),
    "",
    list,
    header("x-amz-content-sha256"),
  ].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", date, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const key = [day, region, "s3", "aws4_request"].reduce<string | Buffer>(
    (secret, part) => createHmac("sha256", secret).update(part).digest(),
    `AWS4${keys.secretAccessKey}`,
  );
  const expected = createHmac("sha256", key).update(text).digest("hex");
  return expected === signature
    ? undefined
    : refusal(403, "SignatureDoesNotMatch", "the signature is not that of the request");
}

/** In order, decoded; a plus sign is a space, as S3 reads it. */
export function parametersOf(query: string): readonly (readonly [string, string])[] {
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const [name = "", ...value] = pair.split("=");
      const decode = (text: string): string => decodeURIComponent(text.replaceAll("+", " "));
      return [decode(name), decode(value.join("="))];
    });
}

function encode(text: string): string {
  return Array.from(Buffer.from(text), (byte) =>
    /[A-Za-z0-9\-._~]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
  ).join("");
}

function refusal(status: number, code: string, message: string): Refusal {
  return { status, code, message };
}
