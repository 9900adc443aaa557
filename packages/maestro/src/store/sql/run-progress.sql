-- New state of a run whose status and wake time stay as they are: no index changes.
-- $1 run  $2 identity checksum  $3 status  $4 wake at  $5 waiting  $6 priority  $7 started at  $8 ended at
-- $9 tasks total  $10 tasks done  $11 error  $12 search text  $13 state checksum
update run
set waiting = $5, priority = $6, started_at = $7, ended_at = $8, tasks_total = $9, tasks_done = $10, error = $11,
  search = $12, state_checksum = $13
where id = $1 and identity_checksum = $2 and status = $3 and wake_at is not distinct from $4
