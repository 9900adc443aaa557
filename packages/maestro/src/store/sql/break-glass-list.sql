-- Newest first; ids begin with their time.  $1 limit
select id, subject, namespace, reason, from_at as "from", until_at as "until", ended_at as "endedAt", ended_by as "endedBy", checksum
from break_glass order by id desc limit $1
