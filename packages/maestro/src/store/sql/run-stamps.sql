-- What tells whether runs are as they were: every change of one is at least one of these.
-- $1 ids as a JSON list
select id, seq, identity_checksum, state_checksum from run left join run_head on run_head.run_id = run.id where id in (select value from json_each($1))
