-- Newest first.  $1 namespace or null  $2 version or null  $3 limit
select digest, namespace, name, version, manifest_digest as "manifestDigest", text, manifest, created_at as "createdAt", checksum
from plan
where ($1 is null or namespace = $1) and ($2 is null or version = $2)
order by created_at desc, digest desc limit $3
