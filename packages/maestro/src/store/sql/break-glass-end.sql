-- $1 id  $2 at  $3 by  $4 checksum
update break_glass set ended_at = $2, ended_by = $3, checksum = $4 where id = $1 and ended_at is null
