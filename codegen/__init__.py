"""Graph to native code: loops, LLVM text, compiling, and the call into what was compiled."""
