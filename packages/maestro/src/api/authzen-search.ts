import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { digestOf } from "../core/digest.ts";
import type { GateRequest } from "../policy/gate.ts";
import { members, needed, questionOf, readAction, readContext, readEntity } from "../policy/question.ts";
import { knownSubjects } from "../policy/who-can.ts";
import type { Access } from "./access.ts";
import type { AppDeps } from "./app-deps.ts";
import { AUTHZEN_LIMITS, consider, plain } from "./authzen.ts";
import { json, optional } from "./field.ts";
import { asked } from "./policy.ts";
import { route } from "./route.ts";

// AuthZEN 1.0, 8: of what this installation knows, for which the policy says yes.

const FIELDS = {
  subject: optional(json("`type`, and `id` but for subjects that are searched for.")),
  action: optional(json("`name`; not where actions are searched for.")),
  resource: optional(json("`type`, and `id` but for resources that are searched for.")),
  context: optional(json("`purpose`, `authority` and whatever else policies look at.")),
  page: optional(json("`token` of the page before, `limit`.")),
};

const ANSWER = {
  status: 200,
  type: "application/json",
  schema: "AuthzenResults",
  description: "`results`, and in `page` the `next_token`, empty at the end.",
} as const;

export const searchSubjects = route({
  method: "POST",
  path: "/access/v1/search/subject",
  operation: "searchSubjects",
  access: { action: "policy.read", as: "read" },
  summary: "AuthZEN: who, of those who were here, could do something.",
  body: FIELDS,
  lenient: true,
  answers: [ANSWER],
  async handle(deps, { body, access }) {
    const { type, action, resource, context } = asked(() => ({
      type: needed(members(body.subject, "subject")["type"], "subject.type"),
      action: readAction(body.action),
      resource: readEntity(body.resource, "resource"),
      context: readContext(body.context),
    }));
    const ask = (id: string, roles: readonly string[]): GateRequest =>
      questionOf({ subject: { type, id, properties: { roles } }, action, resource, ...context }, deps.environment);
    const { namespace } = ask("", []).resource.properties;
    await access.on({ type: "policy", id: namespace, namespace });
    await deps.audit.flush();
    const known = (await knownSubjects(deps.store.audit, namespace)).filter((one) => one.type === type);
    const candidates = known
      .map(({ id, roles }) => ({ result: { type, id }, request: ask(id, roles) }))
      .toSorted((a, b) => (a.result.id < b.result.id ? -1 : 1));
    return search(deps, access, candidates, body);
  },
});

export const searchResources = route({
  method: "POST",
  path: "/access/v1/search/resource",
  operation: "searchResources",
  access: { action: "policy.ask", as: "read" },
  summary: "AuthZEN: on which namespaces or published runbooks somebody could do something.",
  body: FIELDS,
  lenient: true,
  answers: [ANSWER],
  async handle(deps, { body, access }) {
    const { subject, action, type, context } = asked(() => ({
      subject: readEntity(body.subject, "subject"),
      action: readAction(body.action),
      type: needed(members(body.resource, "resource")["type"], "resource.type"),
      context: readContext(body.context),
    }));
    const namespaces = await access.inNamespaces();
    const published = await deps.store.publishedList({
      limit: AUTHZEN_LIMITS.page,
      ...(namespaces === undefined ? {} : { namespaces }),
    });
    const ids =
      type === "namespace"
        ? [...new Set([...(namespaces ?? []), ...published.map(({ namespace }) => namespace)])]
        : type === "runbook"
          ? published.map(({ namespace, name, version }) => `${namespace}/${name}@${version}`)
          : [];
    const candidates = ids.toSorted().map((id) => ({
      result: { type, id },
      request: questionOf({ subject, action, resource: { type, id }, ...context }, deps.environment),
    }));
    return search(deps, access, candidates, body);
  },
});

export const searchActions = route({
  method: "POST",
  path: "/access/v1/search/action",
  operation: "searchActions",
  access: { action: "policy.ask", as: "read" },
  summary: "AuthZEN: what somebody could do with something.",
  body: FIELDS,
  lenient: true,
  answers: [ANSWER],
  async handle(deps, { body, access }) {
    const question = asked(() => ({
      subject: readEntity(body.subject, "subject"),
      resource: readEntity(body.resource, "resource"),
      ...readContext(body.context),
    }));
    const candidates = [...deps.policy.actions].toSorted().map((name) => ({
      result: { name },
      request: questionOf({ ...question, action: { name } }, deps.environment),
    }));
    return search(deps, access, candidates, body);
  },
});

interface Candidate {
  readonly result: JsonObject;
  readonly request: GateRequest;
}

/** A page of those that are allowed. The token says where the next one begins, and of which question it is. */
async function search(
  deps: AppDeps,
  access: Access,
  candidates: readonly Candidate[],
  { page, ...question }: Readonly<Record<string, JsonValue>> & { readonly page?: JsonValue },
): Promise<Response> {
  const mark = digestOf(question).slice(-16);
  const { from, limit } = asked(() => readPage(page, mark));
  const results: JsonObject[] = [];
  let next = from;
  for (; next < candidates.length && results.length < limit; next++) {
    const one = candidates[next];
    if (one !== undefined && (await consider(deps, access, one.request)).allow) results.push(one.result);
  }
  // Whoever has no candidates was asked nothing, and still has to be allowed to ask.
  if (!access.wasAsked) await access.onInstallation();
  return plain({
    results,
    page: { next_token: next < candidates.length ? `${next}.${mark}` : "", count: results.length },
  });
}

function readPage(page: JsonValue | undefined, mark: string): { readonly from: number; readonly limit: number } {
  if (page === undefined) return { from: 0, limit: AUTHZEN_LIMITS.page };
  if (!isJsonObject(page)) throw new SyntaxError("page is not an object");
  const { token = "", limit = AUTHZEN_LIMITS.page } = page;
  if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 0)
    throw new SyntaxError("page.limit is not a whole number from 0 on");
  // 0: as many as there may be on a page.
  const most = limit === 0 ? AUTHZEN_LIMITS.page : Math.min(limit, AUTHZEN_LIMITS.page);
  if (token === "") return { from: 0, limit: most };
  const [, from, of] = typeof token === "string" ? (/^(\d{1,9})\.([0-9a-f]{16})$/.exec(token) ?? []) : [];
  if (from === undefined || of !== mark) throw new SyntaxError("page.token is not of this question");
  return { from: Number(from), limit: most };
}
