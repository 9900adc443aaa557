-- Cached results, a slice at a time.  $1 after rowid  $2 limit
select rowid as place, result as text from cache where rowid > $1 order by rowid limit $2
