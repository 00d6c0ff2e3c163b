"""An option and the numbers -> its bill lines, how long it lasts, and how good it should be."""
