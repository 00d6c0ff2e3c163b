"""Answer -> sentences and Markdown."""
