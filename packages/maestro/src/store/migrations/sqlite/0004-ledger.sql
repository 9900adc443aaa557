-- The ledger: what must never be taken back, one entry after the other without a gap. Its Merkle tree is not stored but
-- for the hashes over full tiles, from which every other is soon made again.
create table ledger_entry (
  place integer not null primary key,
  kind text not null,
  run_id text,
  text text not null,
  checksum integer not null
) strict;

create index ledger_entry_by_run on ledger_entry (run_id, place) where run_id is not null;

create trigger ledger_entry_no_gap before insert on ledger_entry
when new.place <> (select coalesce(max(place) + 1, 0) from ledger_entry)
begin select raise(abort, 'append-only: an entry of the ledger follows the one before it'); end;

create trigger ledger_entry_no_update before update on ledger_entry begin select raise(abort, 'append-only: the ledger is never changed'); end;

create trigger ledger_entry_no_delete before delete on ledger_entry begin select raise(abort, 'append-only: the ledger is never shortened'); end;

create table ledger_hash (
  level integer not null,
  place integer not null,
  hash text not null,
  primary key (level, place)
) strict, without rowid;

create trigger ledger_hash_no_update before update on ledger_hash begin select raise(abort, 'append-only: the ledger is never changed'); end;

create trigger ledger_hash_no_delete before delete on ledger_hash begin select raise(abort, 'append-only: the ledger is never shortened'); end;

create table ledger_checkpoint (
  size integer not null primary key,
  note text not null,
  signed_at integer not null,
  checksum integer not null
) strict;

create trigger ledger_checkpoint_grows before insert on ledger_checkpoint
when new.size <= (select max(size) from ledger_checkpoint)
begin select raise(abort, 'append-only: a checkpoint is signed once, and only for more entries than the one before it'); end;

create trigger ledger_checkpoint_no_update before update on ledger_checkpoint begin select raise(abort, 'append-only: what was signed is never changed'); end;

create trigger ledger_checkpoint_no_delete before delete on ledger_checkpoint begin select raise(abort, 'append-only: what was signed is never taken back'); end;
