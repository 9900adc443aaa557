-- The newest record for a part of a run.  $1 run  $2 part
select run_id as run, part, seq, head, removed_at as "removedAt", removed_by as "removedBy", policy, checksum from removal
where run_id = $1 and part = $2 order by seq desc limit 1
