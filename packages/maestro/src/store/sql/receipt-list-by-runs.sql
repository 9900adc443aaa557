-- All receipts of some runs, in no order.
-- $1 ids as a JSON list
select run, ordinal, digest, text, signature, "createdAt", checksum, form, "formChecksum" from receipt_row
where run in (select value from json_each($1))
