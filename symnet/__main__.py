"""``python -m symnet``."""

from .cli import main

raise SystemExit(main())
