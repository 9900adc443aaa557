-- $1 id  $2 kind  $3 target  $4 reason  $5 placed by  $6 placed at  $7 released by  $8 released at  $9 release reason  $10 checksum
insert into hold (id, kind, target, reason, placed_by, placed_at, released_by, released_at, release_reason, checksum)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
