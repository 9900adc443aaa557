-- Filters beside the status are answered by the index alone: pages of failed runs of one namespace or workflow look at many runs
-- for each that they show.
drop index run_by_status;

create index run_by_status on run (status, created_at, id, namespace, workflow);
