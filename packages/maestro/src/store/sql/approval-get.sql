-- $1 id
select id, run_id as run, namespace, workflow, task, plan_digest as "planDigest", count, roles, requested_by as "requestedBy",
  not_requester as "notRequester", message, requested_at as "requestedAt", expires_at as "expiresAt", checksum
from approval where id = $1
