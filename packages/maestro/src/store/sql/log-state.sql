-- Of the write-ahead log: 0, its frames, and how many of them are in the file. Does nothing (SQLite 3.51).
pragma wal_checkpoint(noop)
