-- The earliest wake time between two instants.  $1 after  $2 before
select wake_at as "wakeAt" from run
where active = 1 and wake_at is not null and wake_at > $1 and wake_at < $2
order by wake_at limit 1
