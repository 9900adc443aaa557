-- $1 first id  $2 first id beyond  $3 limit
select id from run where id >= $1 and id < $2 order by id limit $3
