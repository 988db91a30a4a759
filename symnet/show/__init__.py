"""Graphs as pictures and text."""

from .dot import to_dot
from .dump import dump
from .graph_json import to_json
from .layout import lay_out
from .svg import to_svg

__all__ = ["dump", "lay_out", "to_dot", "to_json", "to_svg"]
