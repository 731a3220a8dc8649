"""Mistakes kept apart from the code that names them."""
