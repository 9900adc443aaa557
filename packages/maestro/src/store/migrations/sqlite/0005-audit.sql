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
