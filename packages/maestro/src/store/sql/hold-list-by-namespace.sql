-- Of a few namespaces and their runs, newest first; ids begin with their time.
-- $1 open ones only (0 or 1)  $2 limit  $3 namespaces as a JSON list
select id, kind, target, reason, placed_by as "placedBy", placed_at as "placedAt", released_by as "releasedBy",
  released_at as "releasedAt", release_reason as "releaseReason", checksum
from hold
where ($1 = 0 or released_at is null)
  and case kind when 'namespace' then target else (select namespace from run where run.id = hold.target) end in (select value from json_each($3))
order by id desc limit $2
