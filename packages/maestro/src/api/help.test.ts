import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { errorsPath } from "../../../../scripts/generate-errors.ts";
import { MaestroError, PROBLEMS } from "../core/problem.ts";
import type { ProblemCode } from "../core/problem.ts";
import type { AppDeps } from "./app-deps.ts";
import { describeError } from "./help.ts";
import { errorOf, problem } from "./respond.ts";

const where = { instance: "/v1/runs", requestId: "r" };
const CODES = Object.keys(PROBLEMS) as readonly ProblemCode[];

async function help(code: string): Promise<Response> {
  const request = new Request(`http://maestro.local/help/errors/${code}`);
  // It needs nothing of the control plane, and asks nothing.
  const nothing = {} as AppDeps;
  const access = {} as Parameters<typeof describeError.handle>[1]["access"];
  return describeError.handle(nothing, { request, url: new URL(request.url), params: { code }, access });
}

describe("problems", () => {
  const page = readFileSync(errorsPath, "utf8");
  for (const code of CODES) {
    it(`${code}: its type is a path that says what it means, with the status that it has and the page tells`, async () => {
      const response = problem(new MaestroError(code, "Here it happened."), where);
      const said = (await response.json()) as Record<string, unknown>;
      assert.equal(said["type"], `/help/errors/${code}`);
      assert.deepEqual([said["code"], said["status"], said["instance"]], [code, response.status, "/v1/runs"]);
      const answer = await help(code);
      const told = (await answer.json()) as Record<string, unknown>;
      assert.equal(answer.status, 200);
      for (const member of ["code", "class", "title", "status"]) assert.equal(told[member], said[member], member);
      assert.ok(page.includes(`### ${code}\n`), "is on the reference page");
      assert.equal(errorOf(response.status, { code, detail: "x" }).code, code, "and clients know it again");
    });
  }

  it("have the statuses that HTTP has for it", async () => {
    const statuses: Readonly<Partial<Record<ProblemCode, number>>> = {
      unauthorized: 401,
      denied: 403,
      not_found: 404,
      conflict: 409,
      removed: 410,
      payload_too_large: 413,
      unsupported_media_type: 415,
      rate_limited: 429,
      internal: 500,
      overloaded: 503,
      timed_out: 504,
    };
    for (const [code, status] of Object.entries(statuses))
      assert.equal(problem(new MaestroError(code as ProblemCode, "x"), where).status, status, code);
  });

  it("of an unknown code are a problem too", async () => {
    await assert.rejects(help("denyed"), {
      code: "not_found",
      message: 'No error has the code "denyed". Did you mean denied?',
    });
    for (const code of ["__proto__", "constructor", "toString"])
      await assert.rejects(help(code), { code: "not_found" });
  });
});
