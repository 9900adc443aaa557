-- $1 digest  $2 text  $3 checksum
insert into question (digest, text, checksum) values ($1, $2, $3) on conflict (digest) do nothing
