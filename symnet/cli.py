"""The command line: ``symnet demo``, ``symnet bench``, ``symnet dump``, ``symnet cache``."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from .errors import ArgumentError, SymnetError
from .function import Function


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except SymnetError as error:
        print(f"symnet: {error.message}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="symnet", description=__doc__)
    parser.add_argument("--version", action="version", version=f"symnet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="train a network on real digits, show and measure it")
    demo.add_argument("--out", type=Path, default=Path("out"), help="folder for pictures and dumps")
    demo.add_argument("--epochs", type=int, default=40)
    demo.set_defaults(run=_demo)
    bench = commands.add_parser("bench", help="imperative, interpreted and compiled, or other libraries, side by side")
    bench.add_argument("--plot", type=Path, help="also draw the times to this .png")
    bench.add_argument("--seconds", type=float, default=0.3, help="time for each measurement")
    bench.add_argument(
        "--peers", nargs="?", const="", help="against other libraries instead: torch,jax,... or what is installed"
    )
    bench.add_argument("--rows", help="with --peers: only these, such as W4,W5-b128")
    bench.add_argument("--threads", type=int, help="with --peers: of every library; 1 unless given")
    bench.set_defaults(run=_bench)
    dump = commands.add_parser("dump", help="write a Function of a Python file in another form")
    dump.add_argument("where", help="file.py:name of a compiled Function")
    dump.add_argument("path", type=Path, help="ends in .txt .dot .svg .json .loops .ll or .s")
    dump.set_defaults(run=_dump)
    cache = commands.add_parser("cache", help="the machine code kept on disk")
    cache.add_argument("what", choices=("info", "clear"))
    cache.set_defaults(run=_cache)
    return parser


def _cache(args: argparse.Namespace) -> int:
    from .codegen import cache

    print(f"removed {cache.clear()} entries" if args.what == "clear" else cache.info())
    return 0


def _demo(args: argparse.Namespace) -> int:
    from .demo import run_demo

    run_demo(args.out, args.epochs)
    return 0


def _bench(args: argparse.Namespace) -> int:
    if args.peers is not None:
        return _bench_peers(args)
    for name in ("rows", "threads"):
        if getattr(args, name) is not None:
            raise ArgumentError(f"--{name} goes with --peers")
    from .bench import drawing, plot_results, standard_benchmarks

    if args.plot:
        drawing()  # Refused before anything is measured.
    for result in (results := list(standard_benchmarks(args.seconds))):
        print(result, end="\n\n")
    if args.plot:
        plot_results(results, args.plot)
        print(f"wrote {args.plot}")
    return 0


def _bench_peers(args: argparse.Namespace) -> int:
    from .bench.compare import ROUNDS, Compared, compare
    from .bench.peers import find_peers
    from .bench.workloads import row_names

    if args.plot:
        raise ArgumentError("--plot draws the three ways of symnet; it does not go with --peers")
    peers, rows = find_peers(args.peers or None), row_names(args.rows)

    def progress(row: Compared) -> None:
        print(f"{row.row}: {row.ratio:.2f}" if row.ratio else f"{row.row}: no peer", file=sys.stderr, flush=True)

    threads = 1 if args.threads is None else args.threads
    print(compare(peers, rows, seconds=args.seconds / ROUNDS, progress=progress, threads=threads))
    return 0


def _dump(args: argparse.Namespace) -> int:
    file, _, name = args.where.rpartition(":")
    if not file or not Path(file).is_file():
        raise ArgumentError(f"{args.where!r}: expected file.py:name of a file that exists")
    found = runpy.run_path(file).get(name)
    if not isinstance(found, Function):
        raise ArgumentError(f"{name!r} in {file} is {type(found).__name__}; expected a compiled Function")
    print(f"wrote {found.dump(args.path)}")
    return 0
