-- Receipts by run, the newest run first, of one run the newest first, below a place in that order.  $1 run  $2 ordinal  $3 limit
select run_id as run, ordinal, digest, bundle, created_at as "createdAt", checksum
from receipt where (run_id, ordinal) < ($1, $2) order by run_id desc, ordinal desc limit $3
