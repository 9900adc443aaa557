-- New state of a run.  Parameters as in run-progress.
update run
set status = $3, wake_at = $4, waiting = $5, priority = $6, started_at = $7, ended_at = $8, tasks_total = $9, tasks_done = $10,
  error = $11, search = $12, state_checksum = $13
where id = $1 and identity_checksum = $2
