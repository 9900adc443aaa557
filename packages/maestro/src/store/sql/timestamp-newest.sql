-- The one for the most entries.
select size, reply, stamped_at as "stampedAt", checksum from ledger_timestamp where size >= 0 order by size desc limit 1
