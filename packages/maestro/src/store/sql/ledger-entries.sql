-- In order from a place on.  $1 from  $2 limit
select place, kind, run_id as run, text, checksum from ledger_entry where place >= $1 order by place limit $2
