-- Half of what a run wrote was its receipt and the index of the ends of ids.

-- A receipt as it is signed, once: of its bundle, the text that was signed and the signature; all else is the same in
-- every receipt of a key and lies in receipt_form, once. Where form is null, text is the bundle itself: those of before,
-- and any that cannot be put together again byte for byte. Of the others the digest is that of the bytes put together,
-- and the column is empty.
create table receipt_form (
  id integer not null primary key,
  text text not null unique,
  checksum integer not null
) strict;

create trigger receipt_form_no_update before update on receipt_form begin select raise(abort, 'append-only: receipts are never changed'); end;

create trigger receipt_form_no_delete before delete on receipt_form begin select raise(abort, 'append-only: receipts are never deleted without a record of their removal'); end;

alter table receipt rename column bundle to text;
alter table receipt add column form integer;
alter table receipt add column signature blob;

-- As readReceipt wants them.
create view receipt_row as
select
  run_id as run, ordinal, digest, receipt.text, signature, created_at as "createdAt", receipt.checksum,
  receipt_form.text as form, receipt_form.checksum as "formChecksum"
from receipt left join receipt_form on receipt_form.id = receipt.form;

-- Ends of ids are as random as ids: each run wrote a page of this index of its own, 4 KB for 60 bytes. Who asks for a run
-- by the end of its id is a person, and waits for a look through all of them (run-tails).
drop index run_by_tail;
alter table run drop column id_reversed;
