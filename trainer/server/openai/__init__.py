"""The surface that the openai SDK speaks to, with the trainer of this machine behind it."""
