-- A new run. No change when the id is taken.
-- $1 id  $2 id reversed  $3 namespace  $4 workflow  $5 version  $6 name  $7 plan digest  $8 initiator  $9 purpose  $10 labels (JSON)
-- $11 created at  $12 concurrency key  $13 idempotency key  $14 parent run  $15 identity checksum
-- $16 status  $17 wake at  $18 waiting  $19 priority  $20 started at  $21 ended at  $22 tasks total  $23 tasks done  $24 error
-- $25 search text  $26 state checksum
insert into run (
  id, id_reversed, namespace, workflow, version, name, plan_digest, initiator, purpose, labels,
  created_at, concurrency_key, idempotency_key, parent_run, identity_checksum,
  status, wake_at, waiting, priority, started_at, ended_at, tasks_total, tasks_done, error,
  search, state_checksum
)
values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
  $11, $12, $13, $14, $15,
  $16, $17, $18, $19, $20, $21, $22, $23, $24,
  $25, $26
)
on conflict (id) do nothing
