-- Not ended, oldest first.  $1 concurrency key
select * from run_row
where active = 1 and "concurrencyKey" = $1
order by "createdAt", id
