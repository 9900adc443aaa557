-- $1 size  $2 reply, base64  $3 stamped at  $4 checksum
insert into ledger_timestamp (size, reply, stamped_at, checksum) values ($1, $2, $3, $4) on conflict (size) do nothing
