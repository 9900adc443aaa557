-- $1 run
delete from receipt where run_id = $1
