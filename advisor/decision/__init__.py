"""Options with costs and quality -> ranking, reasons and the answer."""
