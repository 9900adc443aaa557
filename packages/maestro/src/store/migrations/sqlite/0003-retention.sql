-- History may go when its time is over, and only by a row that says so: without one the triggers refuse every delete.
create table hold (
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

create unique index hold_open on hold (kind, target) where released_at is null;

create trigger hold_no_delete before delete on hold begin select raise(abort, 'append-only: a hold is released, never deleted'); end;

create trigger hold_released_once before update on hold
when old.released_at is not null or new.released_at is null or new.id <> old.id or new.kind <> old.kind or new.target <> old.target
  or new.reason <> old.reason or new.placed_by <> old.placed_by or new.placed_at <> old.placed_at
begin select raise(abort, 'append-only: a hold changes once, when it is released'); end;

create table removal (
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

create trigger removal_as_it_ended before insert on removal
when not exists (
  select 1 from run join run_head on run_head.run_id = run.id
  where run.id = new.run_id and run.active = 0 and run_head.seq = new.seq and run_head.head = new.head
)
begin select raise(abort, 'retention: only of a run that has ended, and as it ended'); end;

create trigger removal_no_delete before delete on removal begin select raise(abort, 'append-only: what was removed stays recorded'); end;

create trigger removal_no_update before update on removal begin select raise(abort, 'append-only: what was removed stays recorded'); end;

create trigger removal_not_held before insert on removal
when exists (
  select 1 from hold where released_at is null
    and ((kind = 'run' and target = new.run_id) or (kind = 'namespace' and target = (select namespace from run where id = new.run_id)))
)
begin select raise(abort, 'retention: under a legal hold'); end;

create table retention_pass (
  ordinal integer not null primary key,
  started_at integer not null,
  ended_at integer not null,
  started_by text not null,
  policy text not null,
  removed text not null,
  checksum integer not null
) strict;

create trigger retention_pass_no_delete before delete on retention_pass begin select raise(abort, 'append-only: what was removed stays recorded'); end;

create trigger retention_pass_no_update before update on retention_pass begin select raise(abort, 'append-only: what was removed stays recorded'); end;

create index cache_by_run on cache (run_id);

create index cache_by_expiry on cache (expires_at) where expires_at is not null;

drop trigger event_no_delete;

create trigger event_no_delete before delete on event when not exists (select 1 from removal where run_id = old.run_id and part = 'events' and seq >= old.seq + old.count - 1) begin select raise(abort, 'append-only: events are never deleted without a record of their removal'); end;

drop trigger receipt_no_delete;

create trigger receipt_no_delete before delete on receipt when not exists (select 1 from removal where run_id = old.run_id and part = 'receipts') begin select raise(abort, 'append-only: receipts are never deleted without a record of their removal'); end;
