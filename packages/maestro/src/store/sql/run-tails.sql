-- Those of the next ids, newest first, that end so (JSON), and the last that was looked at, null at the end of them.
-- $1 id before which they are  $2 pattern  $3 limit
select
  (select id from run where id < $1 order by id desc limit 1 offset $3 - 1) as last,
  (select json_group_array(id) from (select id from run where id < $1 order by id desc limit $3) as slice where id glob $2) as ids
