"""Job scripts: each runs as a process of its own, from a folder, and alone may import torch."""
