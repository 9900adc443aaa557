-- $1 first reversed id  $2 first reversed id beyond  $3 limit
select id from run where id_reversed >= $1 and id_reversed < $2 order by id_reversed limit $3
