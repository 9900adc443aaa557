-- All receipts of some runs, in no order.
-- $1 ids as a JSON list
select run_id as run, ordinal, digest, bundle, created_at as "createdAt", checksum
from receipt where run_id in (select value from json_each($1))
