-- $1 run
select * from run_row where id = $1
