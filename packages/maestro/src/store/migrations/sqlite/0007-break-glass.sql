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
