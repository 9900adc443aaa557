-- The newest result wins.  $1 key  $2 namespace  $3 run  $4 task  $5 result (JSON)  $6 created at  $7 expires at  $8 checksum
insert into cache (key, namespace, run_id, task, result, created_at, expires_at, checksum)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (key) do update set
  namespace = excluded.namespace, run_id = excluded.run_id, task = excluded.task, result = excluded.result,
  created_at = excluded.created_at, expires_at = excluded.expires_at, checksum = excluded.checksum
