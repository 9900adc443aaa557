-- $1 id  $2 at  $3 by  $4 checksum
update session set revoked_at = $2, revoked_by = $3, checksum = $4 where id = $1 and revoked_at is null
