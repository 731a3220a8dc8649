"""Mistakes that the code which names them was tried on as it was made."""
