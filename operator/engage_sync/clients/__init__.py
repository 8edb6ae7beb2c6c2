"""The two HTTP clients: Workplace is read, Engage is read and written. They speak to nobody else."""
