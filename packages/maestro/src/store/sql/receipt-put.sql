-- $1 run  $2 ordinal  $3 digest, empty where it is in parts  $4 text  $5 created at  $6 checksum  $7 form or null  $8 signature or null
insert into receipt (run_id, ordinal, digest, text, created_at, checksum, form, signature)
values ($1, $2, $3, $4, $5, $6, $7, $8)
