-- The first of more than $1 entries.
select size, reply, stamped_at as "stampedAt", checksum from ledger_timestamp where size > $1 order by size limit 1
