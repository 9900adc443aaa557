-- $1 run  $2 seq  $3 text  $4 checksum
insert into event (run_id, seq, text, checksum) values ($1, $2, $3, $4)
