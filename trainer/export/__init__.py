"""A run as a folder for another machine, and the import of its result."""
