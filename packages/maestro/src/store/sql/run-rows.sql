-- Runs by their ids, in no order.
-- $1 ids as a JSON list
select * from run_row where id in (select value from json_each($1))
