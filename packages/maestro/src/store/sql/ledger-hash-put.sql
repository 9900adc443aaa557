-- $1 level  $2 place  $3 hash, base64
insert into ledger_hash (level, place, hash) values ($1, $2, $3)
