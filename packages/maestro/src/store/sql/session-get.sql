-- $1 id
select id, digest, subject, issuer, claims, label, proof, created_at as "createdAt", expires_at as "expiresAt",
  seen_at as "seenAt", revoked_at as "revokedAt", revoked_by as "revokedBy", checksum
from session where id = $1
