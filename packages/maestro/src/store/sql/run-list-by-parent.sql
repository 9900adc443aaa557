-- One slice of a run's children, newest first, each with whether the other filters take it.
-- $1 before created at  $2 before id  $3 created at or after  $4 rows of the slice
-- $5 namespace  $6 statuses as ",a,b,"  $7 workflow  $8 initiator  $9 parent run, '' for none  $10 pattern for like; each may be null  $11 parent run  $12 namespace or null
select id, created_at as "createdAt",
  case when ($5 is null or namespace = $5) and ($6 is null or $6 like '%,' || status || ',%') and ($7 is null or workflow = $7)
    and ($8 is null or initiator = $8) and ($9 is null or coalesce(parent_run, '') = $9) and ($10 is null or search like $10 escape '\')
    then 1 else 0 end as hit
from run
where parent_run = $11 and ($12 is null or namespace = $12) and (created_at, id) < ($1, $2) and created_at >= $3
order by created_at desc, id desc limit $4
