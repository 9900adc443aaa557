-- Neither ended nor asleep, oldest first.  $1 after id  $2 limit
select * from run_row
where active = 1 and "wakeAt" is null and id > $1
order by id limit $2
