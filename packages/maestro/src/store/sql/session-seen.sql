-- $1 id  $2 at
update session set seen_at = $2 where id = $1
