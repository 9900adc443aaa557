-- $1 run
select run_id as run, ordinal, digest, bundle, created_at as "createdAt", checksum from receipt where run_id = $1 order by ordinal desc limit 1
