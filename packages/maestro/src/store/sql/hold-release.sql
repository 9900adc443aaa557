-- $1 id  $2 by  $3 at  $4 reason  $5 checksum
update hold set released_by = $2, released_at = $3, release_reason = $4, checksum = $5 where id = $1 and released_at is null
