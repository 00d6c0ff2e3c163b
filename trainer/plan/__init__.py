"""Request -> training plan, at a provider or on this machine."""
