-- A label's key includes what the run's row says.  $1 key  $2 value  $3 created at  $4 run
delete from run_label where key = $1 and value = $2 and created_at = $3 and run_id = $4
