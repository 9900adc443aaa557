-- The first checkpoint of more than $1 entries with $2 cosignatures or more.
select size from ledger_cosignature where size > $1 group by size having count(*) >= $2 order by size limit 1
