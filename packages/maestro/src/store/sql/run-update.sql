-- New state of a run.  Parameters as in run-progress.
update run
set status = $4, wake_at = $5, waiting = $6, priority = $7, started_at = $8, ended_at = $9, tasks_total = $10, tasks_done = $11,
  error = $12, search = $13, state_checksum = $14, seq = $15, head = $16
where id = $1 and seq = $2 and identity_checksum = $3
