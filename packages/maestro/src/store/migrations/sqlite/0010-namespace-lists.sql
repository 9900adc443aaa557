-- Whoever sees one namespace gets its lists without a look at the rows of the others, however many those are.
create index approval_by_namespace on approval (namespace, requested_at, id);

create index plan_by_namespace on plan (namespace, created_at, digest);

create index workflow_by_namespace on workflow (namespace, created_at, plan_digest);
