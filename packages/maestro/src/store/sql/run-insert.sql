-- A new run. No change when the id is taken.
-- $1 id  $2 namespace  $3 workflow  $4 version  $5 name  $6 plan digest  $7 initiator  $8 purpose  $9 labels (JSON)
-- $10 created at  $11 concurrency key  $12 idempotency key  $13 parent run  $14 identity checksum
-- $15 status  $16 wake at  $17 waiting  $18 priority  $19 started at  $20 ended at  $21 tasks total  $22 tasks done  $23 error
-- $24 search text  $25 state checksum
insert into run (
  id, namespace, workflow, version, name, plan_digest, initiator, purpose, labels,
  created_at, concurrency_key, idempotency_key, parent_run, identity_checksum,
  status, wake_at, waiting, priority, started_at, ended_at, tasks_total, tasks_done, error,
  search, state_checksum
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
  $11, $12, $13, $14, $15,
  $16, $17, $18, $19, $20, $21, $22, $23, $24,
  $25
)
on conflict (id) do nothing
