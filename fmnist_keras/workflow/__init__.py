"""Many runs made: what a suite consists of, which of its runs are up to date, one job, signals, progress."""
