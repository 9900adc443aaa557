CREATE TABLE approval (
  id text not null primary key,
  run_id text not null,
  namespace text not null,
  workflow text not null,
  task text not null,
  plan_digest text not null,
  count integer not null,
  roles text not null,
  requested_by text not null,
  not_requester integer not null,
  message text not null,
  requested_at integer not null,
  expires_at integer not null,
  checksum integer not null
) strict;

CREATE INDEX approval_by_age on approval (requested_at, id);

CREATE INDEX approval_by_namespace on approval (namespace, requested_at, id);

CREATE INDEX approval_by_run on approval (run_id, requested_at, id);

CREATE TABLE audit (
  place integer not null primary key,
  at integer not null,
  kind text not null,
  actor text not null,
  action text not null,
  namespace text,
  resource text not null,
  allow integer not null,
  text text not null,
  checksum integer not null
) strict;

CREATE INDEX audit_by_actor on audit (actor, place);

CREATE INDEX audit_by_resource on audit (resource, place);

CREATE TRIGGER audit_no_delete before delete on audit begin select raise(abort, 'append-only: the audit is never shortened'); end;

CREATE TRIGGER audit_no_gap before insert on audit
when new.place <> (select coalesce(max(place) + 1, 0) from audit)
begin select raise(abort, 'append-only: an entry of the audit follows the one before it'); end;

CREATE TRIGGER audit_no_update before update on audit begin select raise(abort, 'append-only: the audit is never changed'); end;

CREATE TABLE break_glass (
  id text not null primary key,
  subject text not null,
  namespace text not null,
  reason text not null,
  from_at integer not null,
  until_at integer not null,
  ended_at integer,
  ended_by text,
  checksum integer not null
) strict;

CREATE INDEX break_glass_by_end on break_glass (until_at);

CREATE TRIGGER break_glass_ended_once before update on break_glass
when old.ended_at is not null or new.ended_at is null or new.id <> old.id or new.subject <> old.subject or new.namespace <> old.namespace
  or new.reason <> old.reason or new.from_at <> old.from_at or new.until_at <> old.until_at
begin select raise(abort, 'append-only: a break-glass changes once, when it is ended'); end;

CREATE TRIGGER break_glass_no_delete before delete on break_glass begin select raise(abort, 'append-only: who went past the policy stays recorded'); end;

CREATE TABLE cache (
  key text not null primary key,
  namespace text not null,
  run_id text not null,
  task text not null,
  result text not null,
  created_at integer not null,
  expires_at integer,
  checksum integer not null
) strict;

CREATE INDEX cache_by_expiry on cache (expires_at) where expires_at is not null;

CREATE INDEX cache_by_run on cache (run_id);

CREATE TABLE event (
  run_id text not null,
  seq integer not null,
  count integer not null,
  text text not null,
  checksum integer not null,
  primary key (run_id, seq)
) strict;

CREATE TRIGGER event_no_delete before delete on event when not exists (select 1 from removal where run_id = old.run_id and part = 'events' and seq >= old.seq + old.count - 1) begin select raise(abort, 'append-only: events are never deleted without a record of their removal'); end;

CREATE TRIGGER event_no_update before update on event begin select raise(abort, 'append-only: events are never changed'); end;

CREATE TABLE hold (
  id text not null primary key,
  kind text not null,
  target text not null,
  reason text not null,
  placed_by text not null,
  placed_at integer not null,
  released_by text,
  released_at integer,
  release_reason text,
  checksum integer not null
) strict;

CREATE TRIGGER hold_no_delete before delete on hold begin select raise(abort, 'append-only: a hold is released, never deleted'); end;

CREATE UNIQUE INDEX hold_open on hold (kind, target) where released_at is null;

CREATE TRIGGER hold_released_once before update on hold
when old.released_at is not null or new.released_at is null or new.id <> old.id or new.kind <> old.kind or new.target <> old.target
  or new.reason <> old.reason or new.placed_by <> old.placed_by or new.placed_at <> old.placed_at
begin select raise(abort, 'append-only: a hold changes once, when it is released'); end;

CREATE TABLE ledger_checkpoint (
  size integer not null primary key,
  note text not null,
  signed_at integer not null,
  checksum integer not null
) strict;

CREATE TRIGGER ledger_checkpoint_grows before insert on ledger_checkpoint
when new.size <= (select max(size) from ledger_checkpoint)
begin select raise(abort, 'append-only: a checkpoint is signed once, and only for more entries than the one before it'); end;

CREATE TRIGGER ledger_checkpoint_no_delete before delete on ledger_checkpoint begin select raise(abort, 'append-only: what was signed is never taken back'); end;

CREATE TRIGGER ledger_checkpoint_no_update before update on ledger_checkpoint begin select raise(abort, 'append-only: what was signed is never changed'); end;

CREATE TABLE ledger_cosignature (
  size integer not null,
  witness text not null,
  line text not null,
  cosigned_at integer not null,
  checksum integer not null,
  primary key (size, witness)
) strict, without rowid;

CREATE TRIGGER ledger_cosignature_no_delete before delete on ledger_cosignature begin select raise(abort, 'append-only: what a witness signed is never taken back'); end;

CREATE TRIGGER ledger_cosignature_no_update before update on ledger_cosignature begin select raise(abort, 'append-only: what a witness signed is never changed'); end;

CREATE TABLE ledger_entry (
  place integer not null primary key,
  kind text not null,
  run_id text,
  text text not null,
  checksum integer not null
) strict;

CREATE INDEX ledger_entry_by_run on ledger_entry (run_id, place) where run_id is not null;

CREATE TRIGGER ledger_entry_no_delete before delete on ledger_entry begin select raise(abort, 'append-only: the ledger is never shortened'); end;

CREATE TRIGGER ledger_entry_no_gap before insert on ledger_entry
when new.place <> (select coalesce(max(place) + 1, 0) from ledger_entry)
begin select raise(abort, 'append-only: an entry of the ledger follows the one before it'); end;

CREATE TRIGGER ledger_entry_no_update before update on ledger_entry begin select raise(abort, 'append-only: the ledger is never changed'); end;

CREATE TABLE ledger_hash (
  level integer not null,
  place integer not null,
  hash text not null,
  primary key (level, place)
) strict, without rowid;

CREATE TRIGGER ledger_hash_no_delete before delete on ledger_hash begin select raise(abort, 'append-only: the ledger is never shortened'); end;

CREATE TRIGGER ledger_hash_no_update before update on ledger_hash begin select raise(abort, 'append-only: the ledger is never changed'); end;

CREATE TABLE ledger_timestamp (
  size integer not null primary key,
  reply text not null,
  stamped_at integer not null,
  checksum integer not null
) strict;

CREATE TRIGGER ledger_timestamp_no_delete before delete on ledger_timestamp begin select raise(abort, 'append-only: a timestamp is never taken back'); end;

CREATE TRIGGER ledger_timestamp_no_update before update on ledger_timestamp begin select raise(abort, 'append-only: a timestamp is never changed'); end;

CREATE TABLE plan (
  digest text not null primary key,
  namespace text not null,
  name text not null,
  version text not null,
  manifest_digest text not null,
  text text not null,
  manifest text not null,
  created_at integer not null,
  checksum integer not null
) strict;

CREATE INDEX plan_by_age on plan (created_at, digest);

CREATE INDEX plan_by_name on plan (name, created_at, digest);

CREATE INDEX plan_by_namespace on plan (namespace, created_at, digest);

CREATE TABLE question (
  digest text not null primary key,
  text text not null,
  checksum integer not null
) strict;

CREATE TRIGGER question_no_delete before delete on question begin select raise(abort, 'append-only: what the gate was asked stays recorded'); end;

CREATE TRIGGER question_no_update before update on question begin select raise(abort, 'append-only: what the gate was asked stays as it was'); end;

CREATE TABLE receipt (
  run_id text not null,
  ordinal integer not null,
  digest text not null,
  text text not null,
  created_at integer not null,
  checksum integer not null, form integer, signature blob,
  primary key (run_id, ordinal)
) strict;

CREATE TRIGGER receipt_no_delete before delete on receipt when not exists (select 1 from removal where run_id = old.run_id and part = 'receipts') begin select raise(abort, 'append-only: receipts are never deleted without a record of their removal'); end;

CREATE TRIGGER receipt_no_update before update on receipt begin select raise(abort, 'append-only: receipts are never changed'); end;

CREATE TABLE receipt_form (
  id integer not null primary key,
  text text not null unique,
  checksum integer not null
) strict;

CREATE TRIGGER receipt_form_no_delete before delete on receipt_form begin select raise(abort, 'append-only: receipts are never deleted without a record of their removal'); end;

CREATE TRIGGER receipt_form_no_update before update on receipt_form begin select raise(abort, 'append-only: receipts are never changed'); end;

CREATE VIEW receipt_row as
select
  run_id as run, ordinal, digest, receipt.text, signature, created_at as "createdAt", receipt.checksum,
  receipt_form.text as form, receipt_form.checksum as "formChecksum"
from receipt left join receipt_form on receipt_form.id = receipt.form;

CREATE TABLE removal (
  run_id text not null,
  part text not null,
  seq integer not null,
  head text not null,
  removed_at integer not null,
  removed_by text not null,
  policy text not null,
  checksum integer not null,
  primary key (run_id, part, seq)
) strict, without rowid;

CREATE TRIGGER removal_as_it_ended before insert on removal
when not exists (
  select 1 from run join run_head on run_head.run_id = run.id
  where run.id = new.run_id and run.active = 0 and run_head.seq = new.seq and run_head.head = new.head
)
begin select raise(abort, 'retention: only of a run that has ended, and as it ended'); end;

CREATE TRIGGER removal_no_delete before delete on removal begin select raise(abort, 'append-only: what was removed stays recorded'); end;

CREATE TRIGGER removal_no_update before update on removal begin select raise(abort, 'append-only: what was removed stays recorded'); end;

CREATE TRIGGER removal_not_held before insert on removal
when exists (
  select 1 from hold where released_at is null
    and ((kind = 'run' and target = new.run_id) or (kind = 'namespace' and target = (select namespace from run where id = new.run_id)))
)
begin select raise(abort, 'retention: under a legal hold'); end;

CREATE TABLE retention_pass (
  ordinal integer not null primary key,
  started_at integer not null,
  ended_at integer not null,
  started_by text not null,
  policy text not null,
  removed text not null,
  checksum integer not null
) strict;

CREATE TRIGGER retention_pass_no_delete before delete on retention_pass begin select raise(abort, 'append-only: what was removed stays recorded'); end;

CREATE TRIGGER retention_pass_no_update before update on retention_pass begin select raise(abort, 'append-only: what was removed stays recorded'); end;

CREATE TABLE run (
  id text not null primary key,
  namespace text not null,
  workflow text not null,
  version text not null,
  name text not null,
  plan_digest text not null,
  initiator text not null,
  purpose text not null,
  labels text not null,
  created_at integer not null,
  concurrency_key text,
  idempotency_key text,
  parent_run text,
  identity_checksum integer not null,
  status text not null,
  waiting text,
  priority integer not null,
  started_at integer,
  ended_at integer,
  wake_at integer,
  tasks_total integer not null,
  tasks_done integer not null,
  error text,
  search text not null,
  state_checksum integer not null,
  active integer not null generated always as (case when status in ('queued', 'running', 'cancelling') then 1 else 0 end) stored
) strict;

CREATE INDEX run_active on run (id) where active = 1 and wake_at is null;

CREATE INDEX run_asleep on run (wake_at, id) where active = 1 and wake_at is not null;

CREATE INDEX run_by_age on run (created_at, id);

CREATE INDEX run_by_concurrency_key on run (concurrency_key, created_at, id) where active = 1 and concurrency_key is not null;

CREATE INDEX run_by_initiator on run (initiator, created_at, id);

CREATE UNIQUE INDEX run_by_key on run (namespace, idempotency_key) where idempotency_key is not null;

CREATE INDEX run_by_namespace on run (namespace, created_at, id);

CREATE INDEX run_by_parent on run (parent_run, created_at, id) where parent_run is not null;

CREATE INDEX run_by_status on run (status, created_at, id, namespace, workflow);

CREATE INDEX run_by_workflow on run (workflow, created_at, id);

CREATE TABLE run_head (
  run_id text not null primary key,
  seq integer not null,
  head text not null
) strict, without rowid;

CREATE TABLE run_label (
  key text not null,
  value text not null,
  created_at integer not null,
  run_id text not null,
  primary key (key, value, created_at, run_id)
) strict, without rowid;

CREATE VIEW run_row as
select
  id, namespace, workflow, version, name, plan_digest as "planDigest", initiator, purpose, labels, created_at as "createdAt",
  concurrency_key as "concurrencyKey", idempotency_key as "idempotencyKey", parent_run as "parentRun", identity_checksum as "identityChecksum",
  status, waiting, priority, started_at as "startedAt", ended_at as "endedAt", wake_at as "wakeAt",
  tasks_total as "tasksTotal", tasks_done as "tasksDone", error, state_checksum as "stateChecksum", active, seq, head
from run left join run_head on run_head.run_id = run.id;

CREATE TABLE schema_migration (version integer not null primary key, name text not null, digest text not null, applied_at integer not null) strict;

CREATE TABLE session (
  id text not null primary key,
  digest text not null,
  subject text not null,
  issuer text,
  claims text not null,
  label text not null,
  proof text not null,
  created_at integer not null,
  expires_at integer not null,
  seen_at integer not null,
  revoked_at integer,
  revoked_by text,
  checksum integer not null
) strict;

CREATE UNIQUE INDEX session_by_digest on session (digest);

CREATE INDEX session_by_expiry on session (expires_at);

CREATE UNIQUE INDEX session_by_proof on session (proof);

CREATE INDEX session_by_subject on session (subject, id);

CREATE TRIGGER session_revoked_once before update on session
when (old.revoked_at is not null and (new.revoked_at is not old.revoked_at or new.revoked_by is not old.revoked_by))
  or new.id <> old.id or new.digest <> old.digest or new.subject <> old.subject or new.issuer is not old.issuer
  or new.claims <> old.claims or new.label <> old.label or new.proof <> old.proof or new.created_at <> old.created_at
  or new.expires_at <> old.expires_at
begin select raise(abort, 'a session changes only by being seen and by being revoked, once'); end;

CREATE TABLE witness (
  name text not null primary key,
  size integer not null,
  outcome text not null,
  detail text not null,
  at integer not null
) strict, without rowid;

CREATE TABLE workflow (
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

CREATE INDEX workflow_by_age on workflow (created_at, plan_digest);

CREATE INDEX workflow_by_name on workflow (name, created_at, plan_digest);

CREATE INDEX workflow_by_namespace on workflow (namespace, created_at, plan_digest);

CREATE UNIQUE INDEX workflow_by_plan on workflow (plan_digest);

CREATE TRIGGER workflow_no_delete before delete on workflow begin select raise(abort, 'append-only: published versions are never deleted'); end;

CREATE TRIGGER workflow_no_update before update on workflow begin select raise(abort, 'append-only: published versions are never changed'); end;
