-- Results nobody can use any more.  $1 now  $2 limit
delete from cache where key in (
  select key from cache indexed by cache_by_expiry where expires_at is not null and expires_at <= $1 limit $2
)
