-- $1 key  $2 now
select key, namespace, run_id as run, task, result, created_at as "createdAt", expires_at as "expiresAt", checksum
from cache where key = $1 and (expires_at is null or expires_at > $2)
