"""API keys, redaction and consent to send data."""
