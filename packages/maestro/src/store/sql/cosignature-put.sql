-- $1 size  $2 witness  $3 line  $4 cosigned at  $5 checksum
insert into ledger_cosignature (size, witness, line, cosigned_at, checksum) values ($1, $2, $3, $4, $5)
on conflict (size, witness) do nothing
