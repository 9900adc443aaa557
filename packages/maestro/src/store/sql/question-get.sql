-- $1 digest
select digest, text, checksum from question where digest = $1
