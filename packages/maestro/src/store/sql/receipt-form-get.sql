-- $1 text
select id from receipt_form where text = $1
