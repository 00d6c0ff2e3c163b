"""The doors over HTTP: planning, work, and the protocol of OpenAI."""
