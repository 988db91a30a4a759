"""What a program works in and does, told from its plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from symnet.dims import evaluate
from symnet.report import BufferRecord, MemoryReport
from symnet.untouched import remember

from .memory import lifetimes, lower_bound
from .plan import Plan, every_step
from .program import Assembly


def memory_report(assembly: Assembly, sizes: Mapping[str, int], fixed: MemoryReport) -> MemoryReport:
    """The memory of a program for these sizes; what does not follow from its plan is given."""
    plan = assembly.plan
    return replace(
        fixed,
        lower_bound=lower_bound(lifetimes(plan), sizes),
        steps=len(list(every_step(plan.steps))),
        buffers=tuple(_largest_first(plan, sizes)),
    )


def too_large(assembly: Assembly, sizes: Mapping[str, int], results: int) -> str:
    """What a call needs for these sizes, where that is more than there is."""
    needed, most = assembly.arena.bytes(sizes), assembly.frame.max_bytes
    bound = f"max_bytes={most:,} allows" if most is not None and needed > most else "there is"
    largest = _largest_first(assembly.plan, sizes)[:3]
    of = "".join(f"; {r.bytes:,} bytes of it from {r.origin}" for r in largest)
    return f"the call needs {needed:,} bytes of working memory{of}; and {results:,} of results: more than {bound}"


def loops(assembly: Assembly) -> str:
    """The loop IR of every kernel, in the order they run."""
    return "\n\n".join(
        f"# {step.origin}\n# of {', '.join(b.name for b in step.buffers)}\n{step.kernel}"
        for step in every_step(assembly.plan.steps)
    )


def _largest_first(plan: Plan, sizes: Mapping[str, int]) -> list[BufferRecord]:
    return sorted(_buffers(plan, sizes), key=lambda r: r.bytes, reverse=True)


def _buffers(plan: Plan, sizes: Mapping[str, int]) -> Iterator[BufferRecord]:
    steps = list(every_step(plan.steps))
    for size, first, last in lifetimes(plan).values():
        yield BufferRecord(evaluate(size, sizes), first, last, str(steps[first].origin))


remember(__name__)
