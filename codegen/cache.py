"""Machine code kept on disk between processes, named by what it was made from.

    entry ::= MAGIC  length of the body (8 bytes)  sha256 of name and body  body
    body  ::= object | outline

An object's name is a hash of the LLVM text and of everything else that decides it: the processor, its
features, LLVM's version. That of the outline of a whole program (``outline.py``), which says which
object it is, is a hash of the graph and of the state of symnet's own files (``program_key.py``).
Entries are written to another name and renamed, so that processes that write at once, or stop half-way,
never leave a wrong one; what is damaged all the same, or lies under another name, fails its checksum, is
removed, and counts as missing. The folder is ``SYMNET_CACHE_DIR``, else the
user's cache folder; ``SYMNET_CACHE=off`` does without, ``SYMNET_CACHE_BYTES`` bounds it (256 MiB).
Entries used longest ago go first.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"symnet entry 2\n"
SUFFIX = ".symnet"
DEFAULT_BYTES = 256 << 20


@dataclass(frozen=True)
class Info:
    """What the cache holds.

    Attributes
    ----------
    folder : Path or None
        None if the cache is off.
    entries, bytes, limit : int
    """

    folder: Path | None
    entries: int
    bytes: int
    limit: int

    def __str__(self) -> str:
        if self.folder is None:
            return "the cache is off (SYMNET_CACHE=off, or no home folder and no SYMNET_CACHE_DIR)"
        return f"{self.folder}: {self.entries} entries, {self.bytes:,} of at most {self.limit:,} bytes"


def folder() -> Path | None:
    """The folder of the cache; None if it is off, or the user has no home."""
    if os.environ.get("SYMNET_CACHE", "").lower() in ("off", "0", "no"):
        return None
    given = os.environ.get("SYMNET_CACHE_DIR")
    if given:
        return Path(given)
    try:
        return _users_folder() / "symnet"
    except RuntimeError:
        # Users that a container makes up have no home.
        return None


def _users_folder() -> Path:
    """Where the system keeps a user's caches."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def name_of(made_from: tuple[str, ...]) -> str:
    """The name of an entry, given everything that decides it."""
    return hashlib.sha256("\0".join(made_from).encode("utf-8", "surrogatepass")).hexdigest()


def cached(name: str, make: Callable[[], bytes]) -> tuple[bytes, str]:
    """The body of an entry, made where the cache has none; and where it came from, in words."""
    found, why = find(name)
    if found is not None:
        return found, "from the cache"
    made = make()
    return made, f"compiled: {why}{keep(name, made)}"


def find(name: str) -> tuple[bytes | None, str]:
    """The body of an entry, or why there is none."""
    where = folder()
    if where is None:
        return None, "the cache is off"
    if not _is_ours(where):
        return None, f"{where} may be written by others"
    path = where / f"{name}{SUFFIX}"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None, "the cache has not met it"
    except OSError as error:
        return None, f"the cache cannot be read ({error.strerror})"
    start = len(MAGIC) + 8 + 32
    body = raw[start:]
    if raw[: len(MAGIC)] == MAGIC and raw[len(MAGIC) : start] == _seal(name, body):
        with suppress(OSError):
            os.utime(path)
        return body, ""
    with suppress(OSError):
        path.unlink()
    return None, "the cache's entry was damaged"


def keep(name: str, body: bytes) -> str:
    """Add an entry; a remark where that failed, which is no error."""
    where = folder()
    if where is None or not _is_ours(where):
        return ""
    entry = MAGIC + _seal(name, body) + body
    if len(entry) > _limit():
        return "; it could not be kept (it is larger than the whole cache may be)"
    temporary = ""
    try:
        # Where the cache has all, nothing is written, and importing this takes as long as all that is read.
        import tempfile

        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=where, prefix="new.")
        with os.fdopen(handle, "wb") as file:
            file.write(entry)
        os.replace(temporary, where / f"{name}{SUFFIX}")
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        return f"; it could not be kept ({error.strerror})"
    _evict(where)
    return ""


def _seal(name: str, body: bytes) -> bytes:
    return len(body).to_bytes(8, "little") + hashlib.sha256(name.encode() + body).digest()


def _is_ours(where: Path) -> bool:
    """Whether nobody else can have written there: what is in the cache is run."""
    if not hasattr(os, "getuid"):
        return True
    try:
        state = where.stat()
    except OSError:
        return True
    return state.st_uid == os.getuid() and not state.st_mode & 0o022


def _entries(where: Path) -> list[tuple[float, int, Path]]:
    """When each entry was used last, its bytes and its path."""
    found = []
    with suppress(OSError):
        for path in where.iterdir():
            with suppress(OSError):
                if path.suffix == SUFFIX or path.name.startswith("new."):
                    state = path.stat()
                    found.append((state.st_mtime, state.st_size, path))
    return found


def _limit() -> int:
    try:
        return int(os.environ.get("SYMNET_CACHE_BYTES", DEFAULT_BYTES))
    except ValueError:
        return DEFAULT_BYTES


def _evict(where: Path) -> None:
    """Remove what was used longest ago until the cache is within its bound."""
    entries = sorted(_entries(where))
    total = sum(size for _, size, _ in entries)
    for _, size, path in entries:
        if total <= _limit():
            return
        with suppress(OSError):
            path.unlink()
        total -= size


def info() -> Info:
    """What the cache holds now."""
    where = folder()
    entries = _entries(where) if where is not None else []
    return Info(where, len(entries), sum(size for _, size, _ in entries), _limit())


def clear() -> int:
    """Remove every entry; how many there were."""
    where = folder()
    entries = _entries(where) if where is not None else []
    for _, _, path in entries:
        with suppress(OSError):
            path.unlink()
    return len(entries)
