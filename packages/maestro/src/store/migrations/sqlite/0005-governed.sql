-- The audit: who did, saw, approved, exported or changed what, or was not let; and what the gate was asked, once for each
-- question, so that another policy can be asked the same. Neither is ever changed or deleted.
create table audit (
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

create index audit_by_actor on audit (actor, place);
create index audit_by_resource on audit (resource, place);

create trigger audit_no_gap before insert on audit
when new.place <> (select coalesce(max(place) + 1, 0) from audit)
begin select raise(abort, 'append-only: an entry of the audit follows the one before it'); end;

create trigger audit_no_update before update on audit begin select raise(abort, 'append-only: the audit is never changed'); end;

create trigger audit_no_delete before delete on audit begin select raise(abort, 'append-only: the audit is never shortened'); end;

create table question (
  digest text not null primary key,
  text text not null,
  checksum integer not null
) strict;

create trigger question_no_update before update on question begin select raise(abort, 'append-only: what the gate was asked stays as it was'); end;

create trigger question_no_delete before delete on question begin select raise(abort, 'append-only: what the gate was asked stays recorded'); end;

-- Sessions: who logged in, on whose word, and until when. Of a session's token there is only the digest. A session is
-- revoked for good, and goes when it has been over for long enough that its proof could not be shown again.
create table session (
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

create unique index session_by_digest on session (digest);
create unique index session_by_proof on session (proof);
create index session_by_subject on session (subject, id);
create index session_by_expiry on session (expires_at);

create trigger session_revoked_once before update on session
when (old.revoked_at is not null and (new.revoked_at is not old.revoked_at or new.revoked_by is not old.revoked_by))
  or new.id <> old.id or new.digest <> old.digest or new.subject <> old.subject or new.issuer is not old.issuer
  or new.claims <> old.claims or new.label <> old.label or new.proof <> old.proof or new.created_at <> old.created_at
  or new.expires_at <> old.expires_at
begin select raise(abort, 'a session changes only by being seen and by being revoked, once'); end;

-- When somebody went past the policy: who, why, where and until when. It may end before its time, once, and is never deleted.
create table break_glass (
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

create index break_glass_by_end on break_glass (until_at);

create trigger break_glass_no_delete before delete on break_glass begin select raise(abort, 'append-only: who went past the policy stays recorded'); end;

create trigger break_glass_ended_once before update on break_glass
when old.ended_at is not null or new.ended_at is null or new.id <> old.id or new.subject <> old.subject or new.namespace <> old.namespace
  or new.reason <> old.reason or new.from_at <> old.from_at or new.until_at <> old.until_at
begin select raise(abort, 'append-only: a break-glass changes once, when it is ended'); end;

-- What others said about the ledger's checkpoints: witnesses, each a line under one, and authorities, when it was there.
-- And how each witness was met last, which alone changes.
create table ledger_cosignature (
  size integer not null,
  witness text not null,
  line text not null,
  cosigned_at integer not null,
  checksum integer not null,
  primary key (size, witness)
) strict, without rowid;

create trigger ledger_cosignature_no_update before update on ledger_cosignature begin select raise(abort, 'append-only: what a witness signed is never changed'); end;

create trigger ledger_cosignature_no_delete before delete on ledger_cosignature begin select raise(abort, 'append-only: what a witness signed is never taken back'); end;

create table ledger_timestamp (
  size integer not null primary key,
  reply text not null,
  stamped_at integer not null,
  checksum integer not null
) strict;

create trigger ledger_timestamp_no_update before update on ledger_timestamp begin select raise(abort, 'append-only: a timestamp is never changed'); end;

create trigger ledger_timestamp_no_delete before delete on ledger_timestamp begin select raise(abort, 'append-only: a timestamp is never taken back'); end;

create table witness (
  name text not null primary key,
  size integer not null,
  outcome text not null,
  detail text not null,
  at integer not null
) strict, without rowid;

-- Filters beside the status are answered by the index alone: pages of failed runs of one namespace or workflow look at many runs
-- for each that they show.
drop index run_by_status;

create index run_by_status on run (status, created_at, id, namespace, workflow);

-- Whoever sees one namespace gets its lists without a look at the rows of the others, however many those are.
create index approval_by_namespace on approval (namespace, requested_at, id);

create index plan_by_namespace on plan (namespace, created_at, digest);

create index workflow_by_namespace on workflow (namespace, created_at, plan_digest);
