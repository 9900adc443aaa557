-- $1 run  $2 from  $3 limit
select place, kind, run_id as run, text, checksum from ledger_entry where run_id = $1 and place >= $2 order by place limit $3
