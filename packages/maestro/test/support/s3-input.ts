import { createHash } from "node:crypto";
import type { JsonObject } from "../../src/core/json.ts";
import { s3 } from "../../src/task/s3.ts";
import type { Workbench } from "./run-task.ts";

export const KEYS = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "secret/with+signs=", region: "eu-central-1" };
export const ENVIRONMENT = {
  ID: KEYS.accessKeyId,
  SECRET: KEYS.secretAccessKey,
  WRONG: "another secret",
  TOKEN: "token/of=session",
};

/** An operation on the bucket of a server of s3-server.ts. */
export function at(server: { readonly port: number }, operation: JsonObject): JsonObject {
  return {
    endpoint: `http://127.0.0.1:${server.port}`,
    region: KEYS.region,
    bucket: "evidence",
    credentials: { accessKeyId: { env: "ID" }, secretAccessKey: { env: "SECRET" } },
    allowPrivate: ["127.0.0.1"],
    ...operation,
  };
}

export async function run(
  bench: Workbench,
  server: { readonly port: number },
  operation: JsonObject,
): Promise<JsonObject> {
  return (await bench.run(s3, at(server, operation))) as JsonObject;
}

export function digest(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
