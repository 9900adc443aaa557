-- One slice of a namespace, newest first, each with whether the other filters take it.
-- $1 before created at  $2 before id  $3 created at or after  $4 rows of the slice
-- $5 namespace  $6 statuses as ",a,b,"  $7 workflow  $8 initiator  $9 parent run, '' for none  $10 pattern for like; each may be null  $11 namespace
-- $12 key and $13 value of a label or null  $14 beginning or end of an id or null
select id, created_at as "createdAt",
  case when ($5 is null or namespace = $5) and ($6 is null or $6 like '%,' || status || ',%') and ($7 is null or workflow = $7)
    and ($8 is null or initiator = $8) and ($9 is null or coalesce(parent_run, '') = $9) and ($10 is null or search like $10 escape '\')
    and ($12 is null or exists (select 1 from run_label where key = $12 and value = $13 and run_label.created_at = run.created_at and run_id = run.id))
    and ($14 is null or substr(id, 1, length($14)) = $14 or substr(id, -length($14)) = $14)
    then 1 else 0 end as hit
from run
where namespace = $11 and (created_at, id) < ($1, $2) and created_at >= $3
order by created_at desc, id desc limit $4
