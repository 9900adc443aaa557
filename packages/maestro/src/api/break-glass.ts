import { MaestroError } from "../core/problem.ts";
import { BREAK_GLASS_LIMITS } from "../policy/break-glass.ts";
import { integer, optional, text } from "./field.ts";
import { object } from "./respond.ts";
import { route } from "./route.ts";

const ANSWER = {
  type: "application/json",
  schema: "BreakGlassAnswer",
  description: "`breakGlass`: who, where, why and until when; `endedBy` is null where its time was over.",
} as const;

export const openBreakGlass = route({
  method: "POST",
  path: "/v1/break-glass",
  operation: "openBreakGlass",
  access: { action: "policy.break-glass", as: "change" },
  summary:
    "Goes past the policy, for whoever asks, in one namespace, until the time is over: what it denies is allowed and recorded as `break-glass`. Everybody whom policy.yaml names is told.",
  body: {
    reason: text("Why; recorded and sent to people.", BREAK_GLASS_LIMITS.reasonCharacters),
    forMs: integer("For how long, in milliseconds.", {
      min: BREAK_GLASS_LIMITS.shortestMs,
      max: BREAK_GLASS_LIMITS.longestMs,
    }),
    namespace: optional(text("Only there; absent: everywhere that the caller may go past it.", { max: 100 })),
  },
  answers: [{ status: 201, ...ANSWER }],
  async handle({ policy }, { body, access }) {
    const namespace = body.namespace ?? "*";
    await access.on({ type: "namespace", id: namespace, namespace });
    const { reason, forMs } = body;
    const breakGlass = await policy.breakGlass.begin({ subject: access.by, namespace, reason, forMs });
    return object("BreakGlass", { breakGlass }, { status: 201 });
  },
});

export const endBreakGlass = route({
  method: "POST",
  path: "/v1/break-glass/{id}/end",
  operation: "endBreakGlass",
  access: { action: "policy.break-glass", as: "change" },
  summary: "Ends it before its time. Anybody may who could have opened it.",
  body: {},
  answers: [{ status: 200, ...ANSWER }],
  async handle({ policy }, { params, access }) {
    const row = await policy.breakGlass.get(params.id);
    if (row === undefined || (row.namespace !== "*" && !access.sees(row.namespace)))
      throw new MaestroError("not_found", `There is no break-glass ${params.id.slice(0, 100)}.`, {
        fix: "List them: `maestro policy break-glass list`.",
      });
    await access.on({ type: "namespace", id: row.namespace, namespace: row.namespace });
    return object("BreakGlass", { breakGlass: await policy.breakGlass.end(row.id, access.by) });
  },
});

export const listBreakGlass = route({
  method: "GET",
  path: "/v1/break-glass",
  operation: "listBreakGlass",
  access: { action: "policy.read", as: "evidence" },
  summary: "Who went past the policy, newest first.",
  query: { limit: optional(integer("Default 100.", { min: 1, max: 1_000 })) },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "BreakGlassList",
      description: "`breakGlasses`, each with `open`: whether it is so now.",
    },
  ],
  async handle({ policy, now }, { query, access }) {
    const namespaces = await access.inNamespaces();
    const rows = await policy.breakGlass.list(query.limit ?? 100);
    const at = now();
    return object("BreakGlassList", {
      breakGlasses: rows
        .filter(({ namespace }) => namespaces?.includes(namespace) ?? true)
        .map((row) => ({ ...row, open: row.endedAt === null && row.from <= at && at < row.until })),
    });
  },
});
