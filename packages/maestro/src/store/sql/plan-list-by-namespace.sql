-- Newest first, below a place in that order.  $1 namespace  $2 version or null  $3 limit  $4 created at  $5 digest
-- $6 1: only plans that were not published  $7 name or null
select digest, namespace, name, version, manifest_digest as "manifestDigest", text, manifest, created_at as "createdAt", checksum
from plan
where namespace = $1 and (created_at, digest) < ($4, $5) and ($2 is null or version = $2) and ($7 is null or name = $7)
  and ($6 = 0 or not exists (select 1 from workflow where plan_digest = plan.digest))
order by created_at desc, digest desc limit $3
