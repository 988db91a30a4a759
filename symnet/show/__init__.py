"""Graphs as text and pictures."""

from .dump import dump
from .svg import to_svg

__all__ = ["dump", "to_svg"]
