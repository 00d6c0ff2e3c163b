"""Parts of the launch page: plan form, confirmation, progress, result."""
