-- In order. $1 from  $2 limit
select place, at, kind, actor, action, namespace, resource, allow, text, checksum from audit where place >= $1 order by place limit $2
