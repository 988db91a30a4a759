"""The op library: one file a family, each op's answers side by side."""
