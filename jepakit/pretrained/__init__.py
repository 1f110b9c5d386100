"""Pretrained networks from anywhere, and into files that others load."""

from jepakit.pretrained.classifier import find_head, load_classifier, save_classifier
from jepakit.pretrained.distill import adopt_larger, fill_larger, initializer
from jepakit.pretrained.export import convert, export, save_backbone
from jepakit.pretrained.load import load, load_method, open_weights
from jepakit.pretrained.start import adopt_networks, adopt_transform, initialize_from
from jepakit.pretrained.untrained import untrained
from jepakit.pretrained.weights import Choice, Weights

__all__ = [
    "Choice",
    "Weights",
    "adopt_larger",
    "adopt_networks",
    "adopt_transform",
    "convert",
    "export",
    "fill_larger",
    "find_head",
    "initialize_from",
    "initializer",
    "load",
    "load_classifier",
    "load_method",
    "open_weights",
    "save_backbone",
    "save_classifier",
    "untrained",
]
