-- The one for the most entries.
select size, note, signed_at as "signedAt", checksum from ledger_checkpoint where size >= 0 order by size desc limit 1
