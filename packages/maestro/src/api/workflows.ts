import { SOURCES } from "../catalog/catalog.ts";
import { findWorkflow, MAX_VERSIONS } from "../catalog/find.ts";
import { listCatalog } from "../catalog/list.ts";
import { publish } from "../catalog/publish.ts";
import { choice, integer, list, optional, text } from "./field.ts";
import { compileOrRefuse, MAX_MANIFEST, PLAN_SOURCE, refuseFolders, workflowTarget } from "./plans.ts";
import { IF_NONE_MATCH, tagged } from "./etag.ts";
import { object, objectOfTexts } from "./respond.ts";
import { route } from "./route.ts";

export const publishWorkflow = route({
  method: "POST",
  path: "/v1/workflows",
  operation: "publishWorkflow",
  access: { action: "catalog.publish", as: "change" },
  summary:
    "Compiles a manifest and publishes its version: stored for good, signed with this installation's key. The same content again is no change; another content under a version that was published is a `conflict`.",
  body: {
    manifest: text("The manifest's text, YAML or JSON.", { max: MAX_MANIFEST }),
    file: PLAN_SOURCE.file,
    folder: PLAN_SOURCE.folder,
  },
  maxBody: 2 * MAX_MANIFEST,
  answers: [
    {
      status: 201,
      type: "application/json",
      schema: "Published",
      description:
        "`namespace`, `name`, `version`, `planDigest`, `manifestDigest`, `createdAt`, and `diagnostics`: warnings.",
    },
    {
      status: 200,
      type: "application/json",
      schema: "Published",
      description: "The same: it was published before, with this content.",
    },
  ],
  async handle(deps, { body, access }) {
    refuseFolders(access, body);
    await access.inNamespaces(undefined, "plan.compile");
    const { plan, diagnostics } = await compileOrRefuse(
      deps,
      access,
      body.manifest,
      body.file ?? "manifest",
      body.folder,
    );
    await access.on(workflowTarget(plan.workflow));
    const { row, plan: stored, created } = await publish(deps.catalog, plan, body.manifest, access.caller.id);
    const { namespace, name, version, planDigest, createdAt } = row;
    const answer = { namespace, name, version, planDigest, manifestDigest: stored.manifestDigest, createdAt };
    const location = `/v1/workflows/${encodeURIComponent(`${namespace}/${name}@${version}`)}`;
    return object("Workflow", { ...answer, diagnostics }, { status: created ? 201 : 200, headers: { location } });
  },
});

export const listWorkflows = route({
  method: "GET",
  path: "/v1/workflows",
  operation: "listWorkflows",
  access: { action: "catalog.read", as: "read" },
  summary:
    "What can be run by name, in pages: files of the watched folder, then published versions, then what merely ran here; the last two newest first.",
  query: {
    source: optional(list("Only these; repeat or separate by commas.", choice("", SOURCES), SOURCES.length)),
    namespace: optional(text("Only this namespace.", { max: 100 })),
    name: optional(text("Only this name.", { max: 100 })),
    limit: optional(integer("Default 100.", { min: 1, max: 1000 })),
    cursor: optional(text("`cursor` of the page before.", { max: 8192 })),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "WorkflowList",
      description:
        "`workflows`: source, namespace, name, version, planDigest and createdAt of each, for a file of the folder `file` and, while it is broken, `problem` (`message`, `diagnostics`); `folder`: the watched folder's `path` and `problem`, or null; `cursor` of the next page, null at the end.",
    },
  ],
  async handle({ catalog }, { query, access }) {
    const { source, limit, ...rest } = query;
    const namespaces = await access.inNamespaces(query.namespace);
    const page = await listCatalog(catalog, {
      ...rest,
      limit: limit ?? 100,
      ...(namespaces === undefined ? {} : { namespaces }),
      ...(source === undefined ? {} : { sources: source }),
    });
    const folder = catalog.folder();
    return object("WorkflowList", {
      ...page,
      folder: folder === undefined ? null : { path: folder.path, problem: folder.problem },
    });
  },
});

export const getWorkflow = route({
  method: "GET",
  path: "/v1/workflows/{name}",
  operation: "getWorkflow",
  access: { action: "catalog.read", as: "read" },
  summary:
    "One workflow by `name` or `namespace/name` (the slash as %2F), either with `@version`: what a run by this name would follow. What was published is verified before it is answered.",
  headers: [IF_NONE_MATCH],
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "Workflow",
      description:
        "`namespace`, `name`, `version`, `source`, `planDigest`, `manifestDigest`, `createdAt`, `manifest` (its text), `plan`, `signature` (a Sigstore bundle, null where it was not published) and `versions`: every published version of this name, newest first. With `ETag`; 304 for `If-None-Match`.",
    },
  ],
  async handle({ catalog }, { params, access }) {
    const { plan, source, published } = await findWorkflow(catalog, params.name, access.scope);
    await access.on(workflowTarget(plan));
    const { namespace, name, version, digest, manifestDigest, manifest } = plan;
    const versions = await catalog.store.publishedList({ namespace, name, limit: MAX_VERSIONS });
    const texts = {
      namespace,
      name,
      version,
      source,
      planDigest: digest,
      manifestDigest,
      createdAt: published?.createdAt ?? plan.createdAt,
      manifest,
    };
    const answer = objectOfTexts("Workflow", {
      ...Object.fromEntries(Object.entries(texts).map(([key, value]) => [key, JSON.stringify(value)])),
      plan: plan.text,
      signature: published?.bundle ?? "null",
      versions: JSON.stringify(
        versions.map((row) => ({ version: row.version, planDigest: row.planDigest, createdAt: row.createdAt })),
      ),
    });
    return tagged(answer);
  },
});
