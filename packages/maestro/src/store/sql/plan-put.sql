-- $1 digest  $2 namespace  $3 name  $4 version  $5 manifest digest  $6 text  $7 manifest  $8 created at  $9 checksum
insert into plan (digest, namespace, name, version, manifest_digest, text, manifest, created_at, checksum)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (digest) do nothing
