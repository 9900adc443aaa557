-- Copies what is in the log into the file, as far as nobody reads what was there before; waits for nobody. Gives what log-state gives.
pragma wal_checkpoint(passive)
