-- Receipts by run, the newest run first, of one run the newest first, below a place in that order.  $1 run  $2 ordinal  $3 limit
select run, ordinal, digest, text, signature, "createdAt", checksum, form, "formChecksum" from receipt_row
where (run, ordinal) < ($1, $2) order by run desc, ordinal desc limit $3
