-- $1 id  $2 run  $3 namespace  $4 workflow  $5 task  $6 plan digest  $7 count  $8 roles (JSON)  $9 requested by  $10 not the requester (0, 1)
-- $11 message  $12 requested at  $13 expires at  $14 checksum
insert into approval (
  id, run_id, namespace, workflow, task, plan_digest, count, roles, requested_by, not_requester, message, requested_at, expires_at, checksum
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (id) do nothing
