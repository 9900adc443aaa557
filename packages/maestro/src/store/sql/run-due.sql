-- Asleep, in the order they wake.  $1 after wake time  $2 after id  $3 until  $4 limit
select wake_at as "wakeAt", id from run
where active = 1 and wake_at is not null and (wake_at, id) > ($1, $2) and wake_at <= $3
order by wake_at, id limit $4
