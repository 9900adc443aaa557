-- $1 before place  $2 limit  $3 resource or null  $4 action or null  $5 namespaces as a JSON list or null  $6 from  $7 to  $8 kind or null  $9 allow or null  $10 actor
select place, at, kind, actor, action, namespace, resource, allow, text, checksum from audit
where actor = $10 and place < $1
  and ($3 is null or +resource = $3)
  and ($4 is null or action = $4)
  and ($5 is null or namespace in (select value from json_each($5)))
  and +at >= $6 and +at < $7
  and ($8 is null or kind = $8)
  and ($9 is null or allow = $9)
order by place desc limit $2
