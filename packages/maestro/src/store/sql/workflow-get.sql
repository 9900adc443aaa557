-- $1 namespace  $2 name  $3 version
select namespace, name, version, plan_digest as "planDigest", manifest, bundle, created_at as "createdAt", checksum
from workflow where namespace = $1 and name = $2 and version = $3
