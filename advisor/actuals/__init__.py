"""What really happened: exports of providers and clouds, next to the forecast."""
