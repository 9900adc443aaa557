-- $1 kind  $2 run or null  $3 text  $4 checksum
insert into ledger_entry (place, kind, run_id, text, checksum)
values ((select coalesce(max(place) + 1, 0) from ledger_entry), $1, $2, $3, $4)
