-- Sessions that ended before.  $1 before  $2 limit
delete from session where id in (select id from session indexed by session_by_expiry where expires_at < $1 limit $2)
