-- Oldest first.  $1 limit  $2 namespace
select id, run_id as run, namespace, workflow, task, plan_digest as "planDigest", count, roles, requested_by as "requestedBy",
  not_requester as "notRequester", message, requested_at as "requestedAt", expires_at as "expiresAt", checksum
from approval where namespace = $2 order by requested_at, id limit $1
