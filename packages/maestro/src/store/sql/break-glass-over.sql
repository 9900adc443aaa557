-- Those whose time was over without anybody ending them, the oldest first.  $1 now
select id, subject, namespace, reason, from_at as "from", until_at as "until", ended_at as "endedAt", ended_by as "endedBy", checksum
from break_glass where until_at <= $1 and ended_at is null order by until_at
