"""Graph to native code: loops, LLVM text, compiling, and the call into what was compiled.

The files in reading order:

===============================================  =====================================================================
`kernels`, `plan`                                groups of nodes to kernels over buffers; what a program does, as data
`elements`, `in_place`                           one element of a group as a scalar expression; what may be overwritten
`schedule`, `targets`                            how a kernel is to be run, and on which processor
`lower`; `axes`, `regions`                       scalar expressions to loops, over a domain with fewer axes, or in parts
`tiles`, `strips`, `sweeps`, `folds`             ways to write them: registers, columns, rows, reductions
`pairs`, `transposes`                            and two more: products rounded to bfloat16, copies that are transposed
`reuse`, `wide`                                  values that a later sweep reads; vectors that are written as one
`packing`, `ahead`, `versions`                   weights laid out for products: how, which before a call, and when anew
`loops`                                          the loop IR that they make
`emit`; `writer`, `indices`, `access`, `words`   loop IR to LLVM text (`llvm_text`: its spelling; `vector_math`)
`turning`                                        the function that transposes a square, which all kernels share
`program`; `memory`, `ruler`, `frame`            one entry of all kernels, its arena, and what sizes decide
`native`; `jit`, `machine`, `linking`            a graph compiled; text to objects, by LLVM; objects to addresses
`cache`; `processor`                             objects kept on disk; and what LLVM says of this processor
`program_key`, `outline`; `account`              whole programs there: by name, in short; what is told of them
`binding`, `call`, `trampoline`                  the way from Python into it (`layouts`: memory that both sides know)
`pool`, `team`                                   memory of large results; threads that share a kernel
===============================================  =====================================================================
"""
