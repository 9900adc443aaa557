-- Where the table of events ends.
select max(rowid) as last from event
