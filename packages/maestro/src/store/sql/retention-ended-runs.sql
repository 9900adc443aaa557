-- Ended runs, oldest first, with what retention needs to know of each.
-- $1 after created at  $2 after id  $3 until  $4 limit
select
  run.id, run.namespace, run.created_at as "createdAt", run.ended_at as "endedAt", run_head.seq, run_head.head,
  (select group_concat(part) from removal where removal.run_id = run.id and removal.seq = run_head.seq) as removed,
  exists (
    select 1 from hold
    where released_at is null and ((kind = 'run' and target = run.id) or (kind = 'namespace' and target = run.namespace))
  ) as held,
  coalesce((select parent.active from run as parent where parent.id = run.parent_run), 0) as needed
from run indexed by run_by_age join run_head on run_head.run_id = run.id
where (run.created_at, run.id) > ($1, $2) and run.created_at <= $3 and run.active = 0 and run.ended_at is not null
order by run.created_at, run.id limit $4
