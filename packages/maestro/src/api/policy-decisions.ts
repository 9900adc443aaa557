import { MaestroError } from "../core/problem.ts";
import { ROLES } from "../identity/caller.ts";
import { explain } from "../policy/explanation.ts";
import { questionOf, readAction, readContext, readEntity } from "../policy/question.ts";
import type { MadeDecision } from "../policy/recent.ts";
import { decisionsOf, findDecision } from "../policy/recorded.ts";
import { knownSubjects, whoMay } from "../policy/who-can.ts";
import type { KnownSubject } from "../policy/who-can.ts";
import type { AppDeps } from "./app-deps.ts";
import { jsonObject, optional, text } from "./field.ts";
import { asked } from "./policy.ts";
import { object } from "./respond.ts";
import { route } from "./route.ts";

export const explainDecision = route({
  method: "GET",
  path: "/v1/policy/decisions/{decision}",
  operation: "explainDecision",
  access: { action: "policy.ask", as: "read" },
  summary:
    "A decision in words: who, what, by which rules, on which facts, and what to do next. Of one's own by whoever may ask; of another's by whoever may read policies, or the run that it belongs to.",
  answers: [{ status: 200, type: "application/json", schema: "DecisionExplanation", description: "`explanation`." }],
  async handle({ policy, store, audit }, { params, access }) {
    await access.onInstallation();
    const id = params.decision;
    const recent = policy.recent.get(id);
    if (recent === undefined) await audit.flush();
    const made = recent ?? (await findDecision(store, id));
    if (made === undefined || !(await isShown(made))) throw unknown(id);
    return object("DecisionExplanation", { explanation: explain(made, policy.live) });

    async function isShown({ request, run }: MadeDecision): Promise<boolean> {
      const { subject, resource } = request;
      if (subject.type === access.caller.type && subject.id === access.caller.id) return true;
      const { namespace } = resource.properties;
      if (!access.sees(namespace) && namespace !== "*") return false;
      if (run === undefined) await access.on({ type: "namespace", id: namespace, namespace }, "policy.read");
      // A run that starts is not there yet.
      else if ((await store.runGet(run)) === undefined)
        await access.on({ type: "namespace", id: namespace, namespace }, "run.read");
      else await access.onRun(run, "run.read");
      return true;
    }
  },
});

function unknown(id: string): MaestroError {
  return new MaestroError("not_found", `There is no decision ${id.slice(0, 100)} here.`, {
    fix: "Ids of decisions are in refusals, in the audit and in the events of runs; of a run: `maestro policy explain RUN`.",
  });
}

export const explainRun = route({
  method: "GET",
  path: "/v1/runs/{run}/decisions",
  operation: "explainRun",
  access: { action: "run.read", as: "read" },
  summary: "What the policy said about a run and its tasks, in words and in order.",
  query: { task: optional(text("Only of this task.", { max: 200 })) },
  answers: [
    { status: 200, type: "application/json", schema: "RunDecisions", description: "`explanations`, oldest first." },
  ],
  async handle({ policy, store }, { params, query, access }) {
    const run = await access.onRun(params.run);
    const all = await decisionsOf(store, run.id);
    const wanted =
      query.task === undefined
        ? all
        : all.filter(({ task }) => task?.replace(/\[.*$/, "") === query.task || task === query.task);
    if (wanted.length === 0 && query.task !== undefined)
      throw new MaestroError("not_found", `The policy was not asked about a task ${query.task} of the run ${run.id}.`, {
        fix: "It is asked about tasks with effects only. All that it said: `maestro policy explain RUN`.",
      });
    return object("RunDecisions", { run: run.id, explanations: wanted.map((made) => explain(made, policy.live)) });
  },
});

export const whoCan = route({
  method: "POST",
  path: "/v1/policy/subjects",
  operation: "whoCan",
  access: { action: "policy.read", as: "read" },
  summary: "Which roles may do something, and who of those that this installation knows of.",
  body: {
    action: jsonObject("`name`, `run.start` or any other; `properties`."),
    resource: jsonObject("`type`, `id`, `properties` with `namespace`."),
    context: optional(jsonObject("`purpose`, `authority` and whatever else policies look at.")),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "WhoCan",
      description:
        "`roles`; `subjects`: who was here and could, with the roles they had then; `unknown`: of whom nothing can be said.",
    },
  ],
  async handle({ policy, store, environment, now, audit, identity }, { body, access }) {
    const request = asked(() =>
      questionOf(
        {
          subject: { type: "user", id: "somebody" },
          action: readAction(body.action),
          resource: readEntity(body.resource, "resource"),
          ...readContext(body.context),
        },
        environment,
      ),
    );
    const { namespace } = request.resource.properties;
    await access.on({ type: "namespace", id: namespace, namespace });
    await audit.flush();
    const at = now();
    const roles = ROLES.map((role) => ({ type: "user", id: "somebody", roles: [role] }));
    const consider = policy.gate.consider.bind(policy.gate);
    const able = await whoMay(consider, request, roles, at);
    const services = await configuredServices(identity, namespace);
    const seen = await knownSubjects(store.audit, namespace);
    const known = [...services.filter(({ id }) => !seen.some((one) => one.id === id)), ...seen];
    const subjects = await whoMay(consider, request, known, at);
    return object("WhoCan", {
      action: request.action.name,
      namespace,
      roles: able.map(({ roles: [role], rules }) => ({ role, rules })),
      subjects,
      unknown: [
        "whoever has not been here yet: an identity provider says only at the login who they are",
        ...(able.length === 0
          ? ["whoever a rule allows by something else than a role, such as a property of their token"]
          : []),
      ],
    });
  },
});

/** Services stand in identity.yaml with their roles; people are known by their tokens only. Errors: `identity_unusable`. */
async function configuredServices(identity: AppDeps["identity"], namespace: string): Promise<readonly KnownSubject[]> {
  const { issuers } = await (await identity()).settings();
  return [...issuers.values()].flatMap(({ name, services }) =>
    services.flatMap(({ subjects, grants }) =>
      subjects.map((subject) => ({
        type: "service",
        id: `${name}:${subject}`,
        roles: [...new Set(grants.flatMap((grant) => (["*", namespace].includes(grant.namespace) ? grant.roles : [])))],
        seenAt: null,
      })),
    ),
  );
}
