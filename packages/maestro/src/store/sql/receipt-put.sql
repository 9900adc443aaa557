-- $1 run  $2 ordinal  $3 digest  $4 bundle  $5 created at  $6 checksum
insert into receipt (run_id, ordinal, digest, bundle, created_at, checksum) values ($1, $2, $3, $4, $5, $6)
