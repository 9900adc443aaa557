-- New state of a run whose status and wake time stay as they are: no index changes.
-- $1 run  $2 expected seq  $3 identity checksum  $4 status  $5 wake at  $6 waiting  $7 priority  $8 started at  $9 ended at
-- $10 tasks total  $11 tasks done  $12 error  $13 search text  $14 state checksum  $15 seq  $16 head
update run
set waiting = $6, priority = $7, started_at = $8, ended_at = $9, tasks_total = $10, tasks_done = $11, error = $12,
  search = $13, state_checksum = $14, seq = $15, head = $16
where id = $1 and seq = $2 and identity_checksum = $3 and status = $4 and wake_at is not distinct from $5
