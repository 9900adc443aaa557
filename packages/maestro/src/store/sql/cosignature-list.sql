-- $1 size
select size, witness, line, cosigned_at as "cosignedAt", checksum from ledger_cosignature where size = $1 order by witness
