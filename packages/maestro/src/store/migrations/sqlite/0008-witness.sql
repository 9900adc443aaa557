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
