-- Rows of one slice of the table whose events may name blobs; the history's own checksums are looked at elsewhere.
-- $1 after rowid  $2 up to rowid  $3 artifacts removed at or before this no longer count
select text,
  coalesce((
    select max(seq) from removal where removal.run_id = event.run_id and part = 'artifacts' and removed_at <= $3
  ), 0) >= seq as "artifactsRemoved"
from event
where rowid > $1 and rowid <= $2 and (instr(text, '"artifacts"') > 0 or instr(text, '"blobs"') > 0)
