"""Positions, attention, transformers and backbones."""
