"""Training on this machine: run folders, worker processes and model processes."""
