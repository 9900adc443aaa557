-- $1 run  $2 ordinal
select run, ordinal, digest, text, signature, "createdAt", checksum, form, "formChecksum" from receipt_row where run = $1 and ordinal = $2
