"""A run from start to settlement: preflight, launch, follow, reconcile."""
