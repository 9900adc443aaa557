-- $1 size  $2 note  $3 signed at  $4 checksum
insert into ledger_checkpoint (size, note, signed_at, checksum) values ($1, $2, $3, $4)
