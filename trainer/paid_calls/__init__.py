"""Paid chat calls: client, price, journal and budget."""
