"""Ops: plain functions, one topic per file."""
