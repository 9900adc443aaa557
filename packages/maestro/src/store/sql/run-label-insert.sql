-- $1 key  $2 value  $3 created at  $4 run
insert into run_label (key, value, created_at, run_id) values ($1, $2, $3, $4)
