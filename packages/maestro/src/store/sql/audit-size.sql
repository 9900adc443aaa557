-- How many entries there are: one more than the last place.
select coalesce(max(place) + 1, 0) as size from audit
