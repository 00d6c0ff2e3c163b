"""Options and inputs -> bill lines, months of use, and GPU choices."""
