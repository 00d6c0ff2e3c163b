"""Evidence and measurements -> expected quality of an option."""
