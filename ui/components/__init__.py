"""The page's own controls: drawn by the browser, told to the server at once."""
