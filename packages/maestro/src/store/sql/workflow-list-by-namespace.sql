-- Newest first, below a place in that order.  $1 namespace  $2 version or null  $3 limit  $4 created at  $5 plan digest  $6 name or null
select namespace, name, version, plan_digest as "planDigest", manifest, bundle, created_at as "createdAt", checksum
from workflow
where namespace = $1 and (created_at, plan_digest) < ($4, $5) and ($2 is null or version = $2) and ($6 is null or name = $6)
order by created_at desc, plan_digest desc limit $3
