"""Samples, one by one; knows no model."""
