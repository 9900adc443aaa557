-- How many runs sleep.
select count(*) as count from run where active = 1 and wake_at is not null and wake_at > 0
