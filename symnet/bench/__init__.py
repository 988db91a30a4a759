"""Benchmarks: one program three ways (`ways`), and the same work in other libraries (`compare`)."""

from .ways import (
    Result,
    Row,
    benchmark,
    digits_benchmark,
    drawing,
    eager_step,
    plot_results,
    scalar_benchmark,
    standard_benchmarks,
)

__all__ = [
    "Result",
    "Row",
    "benchmark",
    "digits_benchmark",
    "drawing",
    "eager_step",
    "plot_results",
    "scalar_benchmark",
    "standard_benchmarks",
]
