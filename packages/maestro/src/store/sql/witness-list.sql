-- By name.
select name, size, outcome, detail, at from witness where name >= '' order by name
