-- $1 run
delete from cache where run_id = $1
