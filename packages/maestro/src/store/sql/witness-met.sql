-- $1 name  $2 size  $3 outcome  $4 detail  $5 at
insert into witness (name, size, outcome, detail, at) values ($1, $2, $3, $4, $5)
on conflict (name) do update set size = excluded.size, outcome = excluded.outcome, detail = excluded.detail, at = excluded.at
