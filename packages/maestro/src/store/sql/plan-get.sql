-- $1 digest
select digest, namespace, name, version, manifest_digest as "manifestDigest", text, manifest, created_at as "createdAt", checksum
from plan where digest = $1
