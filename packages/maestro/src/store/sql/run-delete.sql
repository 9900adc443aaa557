-- $1 run
delete from run where id = $1 and active = 0
