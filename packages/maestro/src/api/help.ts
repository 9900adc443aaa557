import { EXIT_CODES, MaestroError, PROBLEMS } from "../core/problem.ts";
import type { ProblemCode } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { object, statusOf } from "./respond.ts";
import { route } from "./route.ts";

export const describeError = route({
  method: "GET",
  path: "/help/errors/{code}",
  operation: "describeError",
  access: null,
  summary: "What a problem's `type` stands for: what it means, wherever it comes from, and what to do. Needs no token.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "ErrorHelp",
      description: "`title` and `fix`, the class, the exit code of commands and the HTTP status.",
    },
  ],
  async handle(_, { params: { code } }) {
    if (!Object.hasOwn(PROBLEMS, code)) {
      const near = suggest(code, new Set(Object.keys(PROBLEMS)));
      throw new MaestroError(
        "not_found",
        `No error has the code ${JSON.stringify(code.slice(0, 80))}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
        { fix: "docs/reference/errors.md has them all." },
      );
    }
    const known = code as ProblemCode;
    const { title, fix, class: kind } = PROBLEMS[known];
    const help = { code, class: kind, title, fix, status: statusOf(known), exitCode: EXIT_CODES[kind] };
    // The same for everybody, until another version is installed.
    return Promise.resolve(object("ErrorHelp", help, { headers: { "cache-control": "public, max-age=3600" } }));
  },
});
