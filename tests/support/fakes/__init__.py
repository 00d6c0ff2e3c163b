"""Providers on loopback that behave, and misbehave on demand; nothing here costs money."""
