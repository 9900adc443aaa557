-- The rows that hold the events after a seq; the first may begin before it.  $1 run  $2 after seq  $3 limit
select seq, count, text, checksum from event
where run_id = $1 and seq >= coalesce((select max(seq) from event where run_id = $1 and seq <= $2 + 1), 1)
order by seq limit $3
