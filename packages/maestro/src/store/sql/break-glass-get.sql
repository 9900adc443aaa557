-- $1 id
select id, subject, namespace, reason, from_at as "from", until_at as "until", ended_at as "endedAt", ended_by as "endedBy", checksum
from break_glass where id = $1
