"""The what-if page: what is asked, what to do, and what it costs, side by side."""
