-- $1 text  $2 checksum
insert into receipt_form (text, checksum) values ($1, $2)
