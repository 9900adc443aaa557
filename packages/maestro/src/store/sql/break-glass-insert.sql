-- $1 id  $2 subject  $3 namespace  $4 reason  $5 from  $6 until  $7 ended at  $8 ended by  $9 checksum
insert into break_glass (id, subject, namespace, reason, from_at, until_at, ended_at, ended_by, checksum)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
