"""What a program does, as data: kernels over buffers in an order, loops of them, and the buffers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from symnet.dims import Size
from symnet.graph import Node
from symnet.origin import Origin

from .loops import Buffer, Kernel
from .packing import NO_PACKING, Packing


@dataclass
class Step:
    """One kernel to run.

    Attributes
    ----------
    kernel : Kernel
        Groups of one structure share it.
    buffers : list of Buffer
        What the kernel's buffers stand for, in their order.
    origin : Origin or str
        The lines it comes from, for people.
    check : Node or None
        A check on data; the step stores a bool that must be true to go on.
    flag : str
        The buffer of that bool.
    """

    kernel: Kernel
    buffers: list[Buffer]
    origin: Origin | str
    check: Node | None = None
    flag: str = ""


@dataclass
class Window:
    """What a step of a loop reads or writes of an array: the part that belongs to the step.

    Attributes
    ----------
    base : str
        The array's buffer, or a window of the loop around.
    stride : size
        Bytes from one step's part to the next.
    """

    base: str
    stride: Size


@dataclass
class LoopStep:
    """Steps that are repeated.

    Attributes
    ----------
    name : str
        Of its function.
    length : size
    is_reversed : bool
        Whether the last part comes first.
    steps : list of Step or LoopStep
    windows : dict of str to Window
        By the name of the buffer that stands for them in the steps.
    own : set of str
        The temporaries that live within one repetition.
    """

    name: str
    length: Size
    is_reversed: bool
    steps: list[Step | LoopStep]
    windows: dict[str, Window]
    own: set[str]


@dataclass
class Scope:
    """Where the body of a loop finds its inputs and puts its outputs.

    Attributes
    ----------
    prefix : str
        Of the names of its buffers.
    inputs : dict of Node to Buffer
    outputs : list of Buffer
    """

    prefix: str
    inputs: dict[Node, Buffer]
    outputs: list[Buffer]


def every_step(steps: Sequence[Step | LoopStep]) -> Iterator[Step]:
    """The kernels, those of loops included, in the order in which they stand."""
    for step in steps:
        if isinstance(step, LoopStep):
            yield from every_step(step.steps)
        else:
            yield step


@dataclass(frozen=True)
class Constant:
    """Numbers that steps read, as they are or laid out anew."""

    node: Node
    packing: Packing = NO_PACKING


@dataclass
class Plan:
    """Everything that memory planning and emission need.

    Attributes
    ----------
    steps : list of Step
        In the order they run.
    buffers : dict of str to Buffer
    inputs, results : list of str
        Buffer names, in the order of the entry's table.
    parameters : dict of str to Node
        By buffer name.
    constants : dict of str to Constant
        Those that steps read, by buffer name.
    copies : dict of str to (str, Packing)
        The copies that are kept of parameters, by buffer name: of which, and how they are laid out.
    """

    steps: list[Step | LoopStep] = field(default_factory=list)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    parameters: dict[str, Node] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    copies: dict[str, tuple[str, Packing]] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)


def stores_early(plan: Plan) -> bool:
    """Whether results are stored before the last check on data: a call that fails then leaves them half done."""
    checked = [k for k, step in enumerate(plan.steps) if any(s.check is not None for s in every_step([step]))]
    before = plan.steps[: checked[-1] + 1] if checked else []
    return not set(plan.results).isdisjoint(name for step in before for name in buffers_of(step))


def buffers_of(step: Step | LoopStep) -> Iterator[str]:
    """The buffers that a step works on; of a loop those that its windows lie in, too."""
    if isinstance(step, LoopStep):
        yield from (window.base for window in step.windows.values())
        for inner in step.steps:
            yield from buffers_of(inner)
    else:
        yield from (buffer.name for buffer in step.buffers)
