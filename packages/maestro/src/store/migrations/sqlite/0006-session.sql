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
