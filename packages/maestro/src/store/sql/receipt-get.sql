-- $1 run  $2 ordinal
select run_id as run, ordinal, digest, bundle, created_at as "createdAt", checksum from receipt where run_id = $1 and ordinal = $2
