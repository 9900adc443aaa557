-- $1 namespace  $2 name  $3 version  $4 plan digest  $5 manifest  $6 bundle  $7 created at  $8 checksum
insert into workflow (namespace, name, version, plan_digest, manifest, bundle, created_at, checksum)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (namespace, name, version) do nothing
