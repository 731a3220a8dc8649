"""Layers: frozen configurations around the ops."""
