-- $1 run
select run, ordinal, digest, text, signature, "createdAt", checksum, form, "formChecksum" from receipt_row
where run = $1 order by ordinal desc limit 1
