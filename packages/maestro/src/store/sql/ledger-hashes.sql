-- $1 level  $2 from  $3 limit
select hash from ledger_hash where level = $1 and place >= $2 order by place limit $3
