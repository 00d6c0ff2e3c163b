"""Charts of the page: each module turns results into a Vega-Lite spec, rows and a summary."""
