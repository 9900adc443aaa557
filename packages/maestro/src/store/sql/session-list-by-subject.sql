-- Newest first.  $1 before id  $2 limit  $3 only those that are good at this time, or null  $4 subject
select id, digest, subject, issuer, claims, label, proof, created_at as "createdAt", expires_at as "expiresAt",
  seen_at as "seenAt", revoked_at as "revokedAt", revoked_by as "revokedBy", checksum
from session
where subject = $4 and id < $1 and ($3 is null or (revoked_at is null and +expires_at > $3))
order by id desc limit $2
