-- $1 run
delete from run_head where run_id = $1
