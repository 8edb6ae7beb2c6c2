"""Where the mapping outlives the process: ConfigMaps for the operator, a file for the command line.

Both are caches that can be rebuilt from Engage by external id: what is missing, damaged or of another
pair of systems is not used, and the run after that deletes nothing.
"""
