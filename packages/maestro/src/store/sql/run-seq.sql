-- $1 run
select seq from run_head where run_id = $1
