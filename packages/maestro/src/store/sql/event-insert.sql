-- $1 run  $2 seq of the first  $3 count  $4 texts, one a line  $5 checksum
insert into event (run_id, seq, count, text, checksum) values ($1, $2, $3, $4, $5)
