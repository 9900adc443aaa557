-- What was published: a version of a workflow under its name, for good, with the signed statement that binds the name to
-- the plan, and the manifest as its author wrote it. The plan itself is a row of the table plan.
create table workflow (
  namespace text not null,
  name text not null,
  version text not null,
  plan_digest text not null,
  manifest text not null,
  bundle text not null,
  created_at integer not null,
  checksum integer not null,
  primary key (namespace, name, version)
) strict;
create unique index workflow_by_plan on workflow (plan_digest);
create index workflow_by_age on workflow (created_at, plan_digest);
create index workflow_by_name on workflow (name, created_at, plan_digest);
create trigger workflow_no_update before update on workflow begin select raise(abort, 'append-only: published versions are never changed'); end;
create trigger workflow_no_delete before delete on workflow begin select raise(abort, 'append-only: published versions are never deleted'); end;
