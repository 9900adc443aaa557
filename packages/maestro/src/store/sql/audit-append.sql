-- $1 at  $2 kind  $3 actor  $4 action  $5 namespace or null  $6 resource  $7 allow  $8 text  $9 checksum
insert into audit (place, at, kind, actor, action, namespace, resource, allow, text, checksum)
values ((select coalesce(max(place) + 1, 0) from audit), $1, $2, $3, $4, $5, $6, $7, $8, $9)
