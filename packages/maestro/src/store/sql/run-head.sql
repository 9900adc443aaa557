-- Append only: the list shows nothing new.  $1 run  $2 expected seq  $3 seq  $4 head
update run set seq = $3, head = $4 where id = $1 and seq = $2
