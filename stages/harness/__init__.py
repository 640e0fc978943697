"""What every stage shares: parameters, command line, unfinished work. No result depends on it."""
