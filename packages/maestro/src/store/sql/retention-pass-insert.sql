-- $1 started at  $2 ended at  $3 started by  $4 policy (JSON)  $5 removed (JSON)  $6 checksum
insert into retention_pass (started_at, ended_at, started_by, policy, removed, checksum) values ($1, $2, $3, $4, $5, $6)
