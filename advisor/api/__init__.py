"""HTTP in, the records of the library out: the planning API, which keeps nothing."""
