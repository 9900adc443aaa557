-- Goes on from the expected end of the history; no change where it ends elsewhere.  $1 run  $2 expected seq  $3 seq  $4 head
update run_head set seq = $3, head = $4 where run_id = $1 and seq = $2
