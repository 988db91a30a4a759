"""Element-wise and reduction fusion: which nodes are computed together.

Not a rewrite: the nodes stay as they are, and every node that needs code is put in one group. The
groups, in order, are the kernels; a value used only inside its group never reaches memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from symnet.dtype import Shape, normalize_axes
from symnet.graph import Graph, Node
from symnet.ops.scan import SCAN, Body

# More nodes than this in one kernel make LLVM's time grow faster than the kernel.
LIMIT = 48
# Movements read in place, one through the other; the next gets memory of its own.
DEEPEST = 8


@dataclass
class Group:
    """Nodes computed by one kernel.

    Attributes
    ----------
    kind : str
        "map": one value an element of `domain`. "fold": one reduction or contraction onto `domain`, and
        what follows it element by element. "rows": reductions along the last axis of `domain` and
        what follows them, row by row. "scatter": contributions added to zeros. "loop": the results of a scan.
    domain : tuple of sizes
    nodes : list of Node
        In order of computation.
    closed : bool
        Whether nothing may join it.
    inside : list of Group
        Of a loop: the kernels of its body.
    """

    kind: str
    domain: Shape
    nodes: list[Node] = field(default_factory=list)
    closed: bool = False
    inside: list[Group] = field(default_factory=list)


def form_kernels(graph: Graph) -> list[Group]:
    """Put every live node that needs code in a group.

    before:  a = add(x, b); h = relu(a); s = sum(h, axis=1)
    after:   kernel rows over (batch, n): a, h, s
    requires: composites expanded, dead nodes gone.
    preserves: the graph. Groups come in an order of computation: each reads earlier ones only.
    """
    return _Former(graph).groups_in_order()


def materialized_views(graph: Graph) -> set[Node]:
    """Movement nodes that need memory of their own: results, the ends of deep chains, and what is behind views."""
    wanted = set(graph.roots()) | _behind_views(graph)
    depth: dict[Node, int] = {}
    for node in graph.nodes:
        if node.op.is_lazy:
            depth[node] = 1 + max(depth.get(i, 0) for i in node.inputs)
            if depth[node] == DEEPEST:
                wanted.add(node)
                depth[node] = 0
    return wanted


def _behind_views(graph: Graph) -> set[Node]:
    """Transposed values that a matrix product would read through a reshape, with divisions for every index."""
    turned: set[Node] = set()
    behind: dict[Node, Node] = {}
    wanted: set[Node] = set()
    for node in graph.nodes:
        source = node.inputs[0] if node.inputs else node
        if node.op.is_lazy and (node.op.name == "transpose" or source in turned):
            turned.add(node)
        if node.op.is_view and source in turned:
            behind[node] = source
        elif (node.op.is_view or node.op.is_lazy) and source in behind:
            behind[node] = behind[source]
        elif node.op.family == "contraction":
            wanted.update(behind[i] for i in node.inputs if i in behind)
    return wanted


def is_lazy(node: Node, materialized: set[Node]) -> bool:
    """Whether a node is computed by its readers."""
    return node.op.is_lazy and node not in materialized


class _Former:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.live = graph.live()
        self.users = graph.users()
        self.materialized = materialized_views(graph)
        self.groups: list[Group] = []
        self.place: dict[Node, int] = {}
        self.loops: dict[tuple[Body, tuple[Node, ...]], int] = {}

    def groups_in_order(self) -> list[Group]:
        for node in _early_first(self.live):
            if node.op.family == "leaf" or node.op.is_view or is_lazy(node, self.materialized):
                continue
            if node.op is SCAN:
                self._loop(node)
            else:
                self._assign(node)
        self._rise()
        self._sink()
        return [g for g in self.groups if g.nodes]

    def _bases(self, node: Node) -> list[tuple[Node, str]]:
        """The grouped nodes an operand is read from, and how: "direct", "lazy" or "view"."""
        found: list[tuple[Node, str]] = []
        stack = [(node, "direct")]
        while stack:
            node, how = stack.pop()
            if node in self.place:
                found.append((node, how))
            elif node.op.is_view:
                stack.extend((i, "view") for i in node.inputs)
            elif node.op.family != "leaf":
                stack.extend((i, "view" if how == "view" else "lazy") for i in node.inputs)
        return found

    def _assign(self, node: Node) -> None:
        reads = [(base, how) for operand in node.inputs for base, how in self._bases(operand)]
        latest = max((self.place[base] for base, _ in reads), default=-1)
        inside = [(base, how) for base, how in reads if self.place[base] == latest]
        if latest >= 0 and self._joins(node, self.groups[latest], inside):
            self.groups[latest].nodes.append(node)
            self.place[node] = latest
            return
        self.place[node] = len(self.groups)
        self.groups.append(_started(node))

    def _loop(self, node: Node) -> None:
        """The results of one loop are one group."""
        body = node.attrs["body"]
        place = self.loops.setdefault((body, node.inputs), len(self.groups))
        self.place[node] = place
        if place < len(self.groups):
            self.groups[place].nodes.append(node)
        else:
            self.groups.append(Group("loop", (), [node], closed=True, inside=form_kernels(body.graph)))

    def _joins(self, node: Node, group: Group, inside: list[tuple[Node, str]]) -> bool:
        if group.closed or node.op.checks_data or len(group.nodes) >= LIMIT or any(h == "view" for _, h in inside):
            return False
        if group.kind == "rows":
            return self._joins_rows(node, group)
        if any(how != "direct" or base.shape != group.domain for base, how in inside):
            return False
        if node.op.family == "elementwise":
            return node.shape == group.domain
        if group.kind == "map" and _reduces_last(node) and node.inputs[0].shape == group.domain:
            group.kind = "rows"
            return True
        return False

    def _joins_rows(self, node: Node, group: Group) -> bool:
        if _reduces_last(node):
            return node.inputs[0].shape == group.domain
        return (
            node.op.family == "elementwise"
            and (node.shape == group.domain or _is_row(node.shape, group.domain))
            and not (node.op.is_costly and self._ends_rows(node, group))
            and all(self._fits_rows(i, node, group) for i in node.inputs)
        )

    def _ends_rows(self, node: Node, group: Group) -> bool:
        """Whether a value of each of several rows is read by nothing that has as many elements as the rows.

        Behind the rows it is computed for a vector of rows at once.
        """
        if not _is_row(node.shape, group.domain) or all(size == 1 for size in node.shape):
            return False
        reached, seen = [node], {node}
        for each in reached:
            if each.shape == group.domain:
                return False
            new = [u for u in self.users[each] if u not in seen]
            seen.update(new)
            reached += [u for u in new if u.shape == group.domain or _is_row(u.shape, group.domain)]
        return True

    def _fits_rows(self, operand: Node, node: Node, group: Group) -> bool:
        """Whether an operand of a node, read from inside the group, is one of its rows or row values, at its row."""
        if not any(self.groups[self.place[b]] is group for b, _ in self._bases(operand)):
            return True
        if node.shape == group.domain and not _is_at_row(operand.shape, group.domain):
            return False
        while operand not in self.place:
            if operand.op.name not in ("expand_dims", "squeeze", "broadcast_to", "identity"):
                return False
            source = operand.inputs[0]
            if operand.op.name == "broadcast_to" and not _is_at_row(source.shape, operand.shape):
                return False
            operand = source
        return operand.shape == group.domain or _is_row(operand.shape, group.domain)

    def _rise(self) -> None:
        """Move a map group into the latest of the groups it reads, or into a map beside it that reads one of them too.

        Its first node read earlier groups, or none, and so began a group that later nodes joined.
        """
        beside: dict[Shape, int] = {}
        for index, group in enumerate(self.groups):
            if group.kind == "map" and not group.closed:
                reads = {n: [read for i in n.inputs for read in self._bases(i)] for n in group.nodes}
                latest = max({self.place[base] for of in reads.values() for base, _ in of} - {index}, default=-1)
                other = beside.get(group.domain, -1)
                if latest >= 0 and self._may_rise(group, reads, latest):
                    self._rise_to(latest, group)
                elif other > latest >= 0 and self._reads_one_of(self.groups[other], reads) and self._fit(group, other):
                    self._rise_to(other, group)
                else:
                    beside[group.domain] = index

    def _may_rise(self, group: Group, reads: Mapping[Node, list[tuple[Node, str]]], place: int) -> bool:
        """Whether all nodes of a group may join another one."""
        inside = {n: [(base, how) for base, how in of if self.place[base] == place] for n, of in reads.items()}
        return self._fit(group, place) and all(self._joins(n, self.groups[place], of) for n, of in inside.items())

    def _fit(self, group: Group, place: int) -> bool:
        return len(group.nodes) + len(self.groups[place].nodes) <= LIMIT

    def _reads_one_of(self, group: Group, reads: Mapping[Node, list[tuple[Node, str]]]) -> bool:
        """Whether a group reads something that others read too."""
        sources = {base for of in reads.values() for base, _ in of}
        return any(base in sources for n in group.nodes for i in n.inputs for base, _ in self._bases(i))

    def _rise_to(self, place: int, group: Group) -> None:
        self.groups[place].nodes += group.nodes
        self._moved(group, place)

    def _moved(self, group: Group, place: int) -> None:
        self.place.update(dict.fromkeys(group.nodes, place))
        group.nodes = []

    def _sink(self) -> None:
        """Move a map group into the one group that reads it, where that costs nothing twice."""
        for index in reversed(range(len(self.groups))):
            group = self.groups[index]
            if group.kind != "map" or group.closed or any(n in self.materialized for n in group.nodes):
                continue
            reader = self._only_reader(group, index)
            if reader is None or len(group.nodes) + len(self.groups[reader].nodes) > LIMIT:
                continue
            if self._may_sink(group, self.groups[reader]):
                self.groups[reader].nodes[:0] = group.nodes
                self._moved(group, reader)

    def _only_reader(self, group: Group, index: int) -> int | None:
        readers: set[int] = set()
        stack = [u for n in group.nodes for u in self.users[n]]
        while stack:
            user = stack.pop()
            if user in self.place:
                readers.add(self.place[user])
            elif user.op.is_view:
                return None
            else:
                stack.extend(self.users[user])
        readers.discard(index)
        return readers.pop() if len(readers) == 1 else None

    def _is_read_at_several_places(self, group: Group, reader: Group) -> bool:
        """Whether sinking would compute an element twice, and a chain of such groups 2^n times."""
        members = set(group.nodes)
        reads = [
            how
            for node in reader.nodes
            for operand in dict.fromkeys(node.inputs)
            for base, how in self._bases(operand)
            if base in members
        ]
        return len(reads) > 1 and any(how != "direct" for how in reads)

    def _may_sink(self, group: Group, reader: Group) -> bool:
        if reader.closed:
            return False
        if reader.kind == "map":
            if self._is_read_at_several_places(group, reader):
                return False
            return group.domain == reader.domain or not _costly(group)
        if reader.kind == "rows":
            return group.domain == reader.domain
        fold = next(n for n in reader.nodes if n.op.family in ("reduction", "contraction"))
        if fold.op.family == "reduction" and fold.inputs[0] in group.nodes:
            return group.domain == fold.inputs[0].shape
        return group.domain == reader.domain and self._is_read_behind(group, reader, fold)

    def _is_read_behind(self, group: Group, reader: Group, fold: Node) -> bool:
        """Whether a group is read element by element, and only by what follows the reader's fold."""
        reads = [
            (node, how)
            for node in reader.nodes
            for operand in node.inputs
            for base, how in self._bases(operand)
            if base in group.nodes
        ]
        return all(node is not fold and how == "direct" for node, how in reads)


def _early_first(live: Sequence[Node]) -> list[Node]:
    """Checks of arguments and numbers made of sizes and 0-d values before all else: they part no other kernels."""
    early: set[Node] = set()
    for node in live:
        if node.op.family == "leaf" or (
            (node.op.checks_data or node.shape == ()) and all(operand in early for operand in node.inputs)
        ):
            early.add(node)
    return [n for n in live if n in early] + [n for n in live if n not in early]


def _started(node: Node) -> Group:
    if node.op.checks_data:
        return Group("map", node.shape, [node], closed=True)
    if _reduces_last(node):
        return Group("rows", node.inputs[0].shape, [node])
    if node.op.scatters:
        return Group("scatter", node.shape, [node], closed=True)
    fold = node.op.family in ("reduction", "contraction")
    return Group("fold" if fold else "map", node.shape, [node])


def _reduces_last(node: Node) -> bool:
    if node.op.family != "reduction" or node.op.name.startswith("arg") or node.inputs[0].ndim == 0:
        return False
    rank = node.inputs[0].ndim
    return normalize_axes(node.attrs["axis"], rank) == (rank - 1,)


def _is_row(shape: Shape, domain: Shape) -> bool:
    return shape in (domain[:-1], (*domain[:-1], 1))


def _is_at_row(shape: Shape, domain: Shape) -> bool:
    """Whether broadcasting to `domain` puts elements of `shape` at their own place, or a row's value along the row."""
    return (1,) * (len(domain) - len(shape)) + shape in (domain, (*domain[:-1], 1))


def _costly(group: Group) -> bool:
    return len(group.nodes) > 4 or any(n.op.is_costly for n in group.nodes)
