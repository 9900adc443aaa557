import { randomUUID } from "node:crypto";
import type { ApiRequest } from "./api-request.ts";

export const REQUEST_ID = "x-request-id";

/** Letters, digits and what trace ids are made of: nothing that means anything in a log line or a header. */
const SANE = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/;

export function isRequestId(text: string): boolean {
  return SANE.test(text);
}

/** The request's correlation id: the caller's if it is sane, else a new one. The same however often it is asked. */
export function requestIdOf(request: ApiRequest): string {
  const given = request.headers.get(REQUEST_ID) ?? "";
  if (SANE.test(given)) return given;
  const made = newRequestId();
  request.headers.set(REQUEST_ID, made);
  return made;
}

export function newRequestId(): string {
  return randomUUID();
}
