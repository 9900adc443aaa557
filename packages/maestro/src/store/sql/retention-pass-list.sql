-- Newest first.  $1 limit
select started_at as "startedAt", ended_at as "endedAt", started_by as "startedBy", policy, removed, checksum
from retention_pass where ordinal > 0 order by ordinal desc limit $1
