-- Not ended, oldest first.  $1 concurrency key
select * from run_row
where status in ('queued', 'running', 'cancelling') and "concurrencyKey" = $1
order by "createdAt", id
