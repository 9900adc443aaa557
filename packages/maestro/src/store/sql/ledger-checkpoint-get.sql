-- $1 size
select size, note, signed_at as "signedAt", checksum from ledger_checkpoint where size = $1
