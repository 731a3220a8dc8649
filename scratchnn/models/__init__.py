"""Models: layers and ops put together."""
