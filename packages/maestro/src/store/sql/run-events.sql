-- $1 run  $2 after seq  $3 limit
select seq, text, checksum from event where run_id = $1 and seq > $2 order by seq limit $3
