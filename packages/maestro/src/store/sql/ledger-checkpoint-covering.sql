-- The one for the fewest entries that are at least so many.  $1 size
select size, note, signed_at as "signedAt", checksum from ledger_checkpoint where size >= $1 order by size limit 1
