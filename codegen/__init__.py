"""Graph to native code: loops, LLVM text, compiling, and the call into what was compiled.

The files in reading order:

===============================================  =====================================================================
`kernels`, `plan`                                groups of nodes to kernels over buffers; what a program does, as data
`elements`                                       one element of a group as a scalar expression
`schedule`, `targets`                            how a kernel is to be run, and on which processor
`lower`; `tiles`, `strips`, `sweeps`, `folds`    scalar expressions to loops: registers, columns, rows, reductions
`reuse`, `wide`                                  values that a later sweep reads; vectors that are written as one
`loops`                                          the loop IR that they make
`emit`; `writer`, `indices`, `access`, `words`   loop IR to LLVM text (`llvm_text`: its spelling; `vector_math`)
`program`; `memory`, `ruler`, `frame`            one entry of all kernels, its arena, and what sizes decide
`native`; `jit`, `cache`                         a graph compiled, linked, and kept on disk
`program_key`, `outline`; `account`              whole programs there: by name, in short; what is told of them
`binding`, `call`, `trampoline`                  the way from Python into it (`layouts`: memory that both sides know)
`pool`, `team`                                   memory of large results; threads that share a kernel
===============================================  =====================================================================
"""
