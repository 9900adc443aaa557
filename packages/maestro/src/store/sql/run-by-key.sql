-- $1 namespace  $2 idempotency key
select * from run_row where namespace = $1 and "idempotencyKey" = $2
