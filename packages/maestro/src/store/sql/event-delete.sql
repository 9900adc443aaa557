-- $1 run
delete from event where run_id = $1
