-- The record of a removal; the triggers refuse it where the run is held, active or not as it was looked at.
-- $1 run  $2 part  $3 seq  $4 head  $5 removed at  $6 removed by  $7 policy  $8 checksum
insert into removal (run_id, part, seq, head, removed_at, removed_by, policy, checksum)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (run_id, part, seq) do nothing
