-- $1 digest of its token
select id, digest, subject, issuer, claims, label, proof, created_at as "createdAt", expires_at as "expiresAt",
  seen_at as "seenAt", revoked_at as "revokedAt", revoked_by as "revokedBy", checksum
from session where digest = $1
