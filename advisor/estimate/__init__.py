"""What each option costs: quantities, then bills."""
