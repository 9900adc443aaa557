-- $1 id
select id, kind, target, reason, placed_by as "placedBy", placed_at as "placedAt", released_by as "releasedBy",
  released_at as "releasedAt", release_reason as "releaseReason", checksum
from hold where id = $1
