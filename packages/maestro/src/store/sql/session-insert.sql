-- No row where the proof was used already.
-- $1 id  $2 digest  $3 subject  $4 issuer  $5 claims  $6 label  $7 proof  $8 created at  $9 expires at  $10 seen at  $11 revoked at  $12 revoked by  $13 checksum
insert into session (id, digest, subject, issuer, claims, label, proof, created_at, expires_at, seen_at, revoked_at, revoked_by, checksum)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (proof) do nothing
