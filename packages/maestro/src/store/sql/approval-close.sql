-- $1 id
delete from approval where id = $1
