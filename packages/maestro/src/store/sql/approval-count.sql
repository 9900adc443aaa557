-- How many approvals are open.
select count(*) as count from approval where requested_at > 0
