-- $1 run  $2 seq  $3 head
insert into run_head (run_id, seq, head) values ($1, $2, $3)
