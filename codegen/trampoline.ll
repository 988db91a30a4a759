; The trampoline: the native half of a call, one for every function (see trampoline.py).
;
; The text is LLVM with seven shorthands, which trampoline.py expands (S is a structure of
; layouts.py, f a field, T a type):
;
;     %x = get S.f %base            load a field
;     set S.f %base = %value        store a field
;     %x = at S.f %base             the address of a field
;     %x = item T %base[%i]         load an item of an array
;     put T %base[%i] = %value      store an item of an array
;     %x = element S %base[%i]      the address of a structure in an array
;     %x = api T Name(arguments)    call a function of the table Api
; Names with a dollar sign are numbers filled in by llvm_text.
;
; It holds no address: Api is filled in after loading, so the object can be cached.

@api = dso_local global [$api_size x i8] zeroinitializer, align 8

; ---------------------------------------------------------------- which argument is which input

; Where a name stands among the inputs' names and "out", or -1. The second result is true where it is the same
; object, which interned names are.
define internal fastcc { i64, i1 } @find(ptr %signature, ptr %name) {
start:
  %n = get Signature.n_inputs %signature
  %names = get Signature.names %signature
  br label %next_same
next_same:
  %i = phi i64 [ 0, %start ], [ %i.next, %other_object ]
  %known = item ptr %names[%i]
  %same = icmp eq ptr %known, %name
  br i1 %same, label %found_same, label %other_object
other_object:
  %i.next = add i64 %i, 1
  %more = icmp ule i64 %i.next, %n
  br i1 %more, label %next_same, label %next_equal
next_equal:
  %k = phi i64 [ 0, %other_object ], [ %k.next, %other_text ]
  %candidate = item ptr %names[%k]
  %difference = api i32 PyUnicode_Compare(ptr %candidate, ptr %name)
  %equal = icmp eq i32 %difference, 0
  br i1 %equal, label %found_equal, label %other_text
other_text:
  %k.next = add i64 %k, 1
  %left = icmp ule i64 %k.next, %n
  br i1 %left, label %next_equal, label %unknown
found_same:
  %there.same = insertvalue { i64, i1 } { i64 -1, i1 true }, i64 %i, 0
  ret { i64, i1 } %there.same
found_equal:
  %there.equal = insertvalue { i64, i1 } { i64 -1, i1 false }, i64 %k, 0
  ret { i64, i1 } %there.equal
unknown:
  ret { i64, i1 } { i64 -1, i1 false }
}

; Fill the permutation for these keywords: false if one is unknown or doubled, or an input is missing. It is
; kept for the next call only if the tuple holds just our own name objects: to drop that runs no foreign code.
define internal fastcc i1 @permute(ptr %self, ptr %signature, i64 %n_positional, ptr %kwnames) {
start:
  set Signature.n_positional %signature = -1
  %n = get Signature.n_inputs %signature
  %order = get Signature.permutation %signature
  %n_keywords = get Tuple.size %kwnames
  %items = at Tuple.items %kwnames
  %fewer = icmp ule i64 %n_positional, %n
  br i1 %fewer, label %next_slot, label %no
next_slot:                                   ; positional arguments stand in order, the other slots are empty
  %s = phi i64 [ 0, %start ], [ %s.next, %next_slot ]
  %given = icmp ult i64 %s, %n_positional
  %place = select i1 %given, i64 %s, i64 -1
  put i64 %order[%s] = %place
  %s.next = add i64 %s, 1
  %slots = icmp ule i64 %s.next, %n
  br i1 %slots, label %next_slot, label %next_keyword
next_keyword:
  %k = phi i64 [ 0, %next_slot ], [ %k.next, %free ]
  %own = phi i1 [ true, %next_slot ], [ %own.next, %free ]
  %keywords = icmp ult i64 %k, %n_keywords
  br i1 %keywords, label %keyword, label %next_input
keyword:
  %name = item ptr %items[%k]
  %found = call fastcc { i64, i1 } @find(ptr %signature, ptr %name)
  %i = extractvalue { i64, i1 } %found, 0
  %same = extractvalue { i64, i1 } %found, 1
  %own.next = and i1 %own, %same
  %known = icmp sge i64 %i, 0
  br i1 %known, label %fill, label %no
fill:
  %old = item i64 %order[%i]
  %empty = icmp eq i64 %old, -1
  br i1 %empty, label %free, label %no
free:
  %argument = add i64 %n_positional, %k
  put i64 %order[%i] = %argument
  %k.next = add i64 %k, 1
  br label %next_keyword
next_input:
  %j = phi i64 [ 0, %next_keyword ], [ %j.next, %input ]
  %inputs = icmp ult i64 %j, %n
  br i1 %inputs, label %input, label %complete
input:
  %filled = item i64 %order[%j]
  %missing = icmp eq i64 %filled, -1
  %j.next = add i64 %j, 1
  br i1 %missing, label %no, label %next_input
complete:
  br i1 %own, label %keep, label %yes
keep:
  %last = get Callable.kwnames %self
  api void Py_IncRef(ptr %kwnames)
  set Callable.kwnames %self = %kwnames
  set Signature.n_positional %signature = %n_positional
  api void Py_DecRef(ptr %last)
  br label %yes
yes:
  ret i1 true
no:
  ret i1 false
}

; The order in which the arguments stand (see Signature), or null if they do not fit the inputs' names.
define internal fastcc ptr @match(ptr %self, i64 %n_positional, ptr %kwnames) alwaysinline {
start:
  %signature = get Callable.signature %self
  %by_position = icmp eq ptr %kwnames, null
  br i1 %by_position, label %count, label %repeated
count:
  %n = get Signature.n_inputs %signature
  %all = icmp eq i64 %n_positional, %n
  %positional = get Signature.positional %signature
  %in_order = select i1 %all, ptr %positional, ptr null
  ret ptr %in_order
repeated:
  %permutation = get Signature.permutation %signature
  %last = get Callable.kwnames %self
  %last.n = get Signature.n_positional %signature
  %same_names = icmp eq ptr %last, %kwnames
  %same_count = icmp eq i64 %last.n, %n_positional
  %same = and i1 %same_names, %same_count
  br i1 %same, label %known, label %permute
known:
  ret ptr %permutation
permute:
  %fits = call fastcc i1 @permute(ptr %self, ptr %signature, i64 %n_positional, ptr %kwnames)
  %permuted = select i1 %fits, ptr %permutation, ptr null
  ret ptr %permuted
}

; ---------------------------------------------------------------- checking arrays

; Is this object exactly an ndarray of the spec's dtype and rank with these flags?
define internal fastcc i1 @fits(ptr %array, ptr %spec, i32 %needed) alwaysinline {
  %type = get Object.type %array
  %ndarray = get Api.ndarray @api
  %exact = icmp eq ptr %type, %ndarray
  br i1 %exact, label %layout, label %no
layout:
  %flags = get Array.flags %array
  %held = and i32 %flags, %needed
  %flagged = icmp eq i32 %held, %needed
  %ndim = get Array.ndim %array
  %ndim.wanted = get Spec.ndim %spec
  %ranked = icmp eq i32 %ndim, %ndim.wanted
  %laid_out = and i1 %flagged, %ranked
  br i1 %laid_out, label %dtype, label %no
dtype:
  %descr = get Array.descr %array
  %descr.wanted = get Spec.descr %spec
  %same = icmp eq ptr %descr, %descr.wanted
  br i1 %same, label %yes, label %other_object
other_object:                                ; equal dtypes need not be one object
  %number = get Descr.type_num %descr
  %number.wanted = get Spec.type_num %spec
  %numbered = icmp eq i32 %number, %number.wanted
  %byteorder = get Descr.byteorder %descr
  %byteorder.wanted = get Spec.byteorder %spec
  %native = icmp eq i8 %byteorder, %byteorder.wanted
  %equal = and i1 %numbered, %native
  ret i1 %equal
yes:
  ret i1 true
no:
  ret i1 false
}

; Compare the sizes of an array with those expected. A new size of a bound dim is stored, to be planned.
define internal fastcc i1 @bind_dims(ptr %array, ptr %spec, ptr %workspace) alwaysinline {
start:
  %ndim.32 = get Spec.ndim %spec
  %ndim = zext i32 %ndim.32 to i64
  %axes = get Spec.axes %spec
  %shape = get Array.shape %array
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %done ]
  %more = icmp ult i64 %i, %ndim
  br i1 %more, label %compare, label %yes
compare:
  %axis = element Axis %axes[%i]
  %size = item i64 %shape[%i]
  %place = get Axis.expected %axis
  %expected = load i64, ptr %place
  %equal = icmp eq i64 %size, %expected
  br i1 %equal, label %done, label %differs
differs:
  %binds = get Axis.binds %axis
  %free = icmp ne i64 %binds, 0
  br i1 %free, label %rebind, label %no
rebind:
  set Workspace.planned %workspace = 0
  store i64 %size, ptr %place
  br label %done
done:
  %i.next = add i64 %i, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}

; The end of a contiguous array's data.
define internal fastcc ptr @end(ptr %array, ptr %spec) alwaysinline {
start:
  %ndim.32 = get Spec.ndim %spec
  %ndim = zext i32 %ndim.32 to i64
  %itemsize = get Spec.itemsize %spec
  %shape = get Array.shape %array
  %data = get Array.data %array
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %axis ]
  %bytes = phi i64 [ %itemsize, %start ], [ %bytes.next, %axis ]
  %more = icmp ult i64 %i, %ndim
  br i1 %more, label %axis, label %done
axis:
  %size = item i64 %shape[%i]
  %bytes.next = mul i64 %bytes, %size
  %i.next = add i64 %i, 1
  br label %next
done:
  %end = getelementptr i8, ptr %data, i64 %bytes
  ret ptr %end
}

; Does [start, end) meet one of n ranges?
define internal fastcc i1 @meets(ptr %start, ptr %end, ptr %ranges, i64 %n) alwaysinline {
begin:
  br label %next
next:
  %i = phi i64 [ 0, %begin ], [ %i.next, %compare ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %compare, label %no
compare:
  %range = element Range %ranges[%i]
  %range.start = get Range.start %range
  %range.end = get Range.end %range
  %before = icmp ult ptr %start, %range.end
  %after = icmp ult ptr %range.start, %end
  %both = and i1 %before, %after
  %i.next = add i64 %i, 1
  br i1 %both, label %yes, label %next
yes:
  ret i1 true
no:
  ret i1 false
}

; Check every input and note its data pointer. An input that lies in an updated parameter does not fit.
define internal fastcc i1 @bind(ptr %descriptor, ptr %workspace, ptr %args, ptr %order) alwaysinline {
start:
  %n = get Descriptor.n_inputs %descriptor
  %specs = get Descriptor.inputs %descriptor
  %buffers = get Workspace.buffers %workspace
  %ranges = get Descriptor.ranges %descriptor
  %n_written = get Descriptor.n_written %descriptor
  %pure = icmp eq i64 %n_written, 0
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %done ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %input, label %yes
input:
  %spec = element Spec %specs[%i]
  %place = item i64 %order[%i]
  %array = item ptr %args[%place]
  %fits = call fastcc i1 @fits(ptr %array, ptr %spec, i32 $readable)
  br i1 %fits, label %sizes, label %no
sizes:
  %bound = call fastcc i1 @bind_dims(ptr %array, ptr %spec, ptr %workspace)
  br i1 %bound, label %address, label %no
address:
  %data = get Array.data %array
  put ptr %buffers[%i] = %data
  br i1 %pure, label %done, label %overlap
overlap:
  %end = call fastcc ptr @end(ptr %array, ptr %spec)
  %meets = call fastcc i1 @meets(ptr %data, ptr %end, ptr %ranges, i64 %n_written)
  br i1 %meets, label %no, label %done
done:
  %i.next = add i64 %i, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}

; Plan the frame if its dims are new: false if a condition of the program fails or the arena is too small.
define internal fastcc i1 @plan(ptr %descriptor, ptr %workspace) alwaysinline {
  %planned = get Workspace.planned %workspace
  %old = icmp ne i64 %planned, 0
  br i1 %old, label %yes, label %new
new:
  %plan = get Descriptor.plan %descriptor
  %frame = get Workspace.frame %workspace
  %status = call i32 %plan(ptr %frame)
  %legal = icmp eq i32 %status, 0
  br i1 %legal, label %measure, label %no
measure:
  %needed.at = get Workspace.needed %workspace
  %needed = load i64, ptr %needed.at
  %arena_bytes = get Workspace.arena_bytes %workspace
  %enough = icmp ule i64 %needed, %arena_bytes
  br i1 %enough, label %keep, label %no
keep:
  %has_large = call fastcc i1 @has_large(ptr %descriptor, ptr %workspace)
  %has_large.64 = zext i1 %has_large to i64
  set Workspace.has_large %workspace = %has_large.64
  %cost.at = get Workspace.cost %workspace
  %cost = load i64, ptr %cost.at
  %is_long = icmp sge i64 %cost, $long
  %is_long.64 = zext i1 %is_long to i64
  set Workspace.is_long %workspace = %is_long.64
  set Workspace.planned %workspace = 1
  br label %yes
yes:
  ret i1 true
no:
  ret i1 false
}

; The bytes of a result.
define internal fastcc i64 @bytes(ptr %spec, ptr %extents) {
start:
  %ndim.32 = get Spec.ndim %spec
  %ndim = zext i32 %ndim.32 to i64
  %itemsize = get Spec.itemsize %spec
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %axis ]
  %bytes = phi i64 [ %itemsize, %start ], [ %bytes.next, %axis ]
  %more = icmp ult i64 %i, %ndim
  br i1 %more, label %axis, label %done
axis:
  %size = item i64 %extents[%i]
  %bytes.next = mul i64 %bytes, %size
  %i.next = add i64 %i, 1
  br label %next
done:
  ret i64 %bytes
}

; Is a result of so many bytes for the pool?
define internal fastcc i1 @is_large(i64 %bytes) alwaysinline {
  %least = icmp uge i64 %bytes, $pooled
  %most = icmp ule i64 %bytes, $pool_limit
  %large = and i1 %least, %most
  ret i1 %large
}

; Is a result of the plan for the pool?
define internal fastcc i1 @has_large(ptr %descriptor, ptr %workspace) {
start:
  %n = get Descriptor.n_results %descriptor
  %specs = get Descriptor.results %descriptor
  %extents.first = get Workspace.extents %workspace
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %result ]
  %extents = phi ptr [ %extents.first, %start ], [ %extents.next, %result ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %result, label %no
result:
  %spec = element Spec %specs[%i]
  %ndim = get Spec.ndim %spec
  %bytes = call fastcc i64 @bytes(ptr %spec, ptr %extents)
  %large = call fastcc i1 @is_large(i64 %bytes)
  %extents.next = getelementptr i64, ptr %extents, i32 %ndim
  %i.next = add i64 %i, 1
  br i1 %large, label %yes, label %next
yes:
  ret i1 true
no:
  ret i1 false
}

; ---------------------------------------------------------------- the pool of large results

; The bytes that a block lends, 0 where something but the pool refers to it or the slot is empty.
define internal fastcc i64 @free(ptr %block) alwaysinline {
  %object = get Block.object %block
  %empty = icmp eq ptr %object, null
  br i1 %empty, label %no, label %held
held:
  %count = get Object.count %object
  %alone = icmp eq i32 %count, 1
  %bytes = get Block.bytes %block
  %lent = select i1 %alone, i64 %bytes, i64 0
  ret i64 %lent
no:
  ret i64 0
}

; The first free block for a result, or null. Half of a block at least is used: results are kept, and it with them.
define internal fastcc ptr @unused(ptr %pool, i64 %bytes) {
start:
  %n = get Pool.n_blocks %pool
  %blocks = get Pool.blocks %pool
  %most = shl i64 %bytes, 1
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %slot ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %slot, label %none
slot:
  %block = element Block %blocks[%i]
  %lent = call fastcc i64 @free(ptr %block)
  %large = icmp uge i64 %lent, %bytes
  %small = icmp ule i64 %lent, %most
  %fits = and i1 %large, %small
  %i.next = add i64 %i, 1
  br i1 %fits, label %found, label %next
found:
  ret ptr %block
none:
  ret ptr null
}

; May the pool get a block of so many bytes? True also where its limit is for smaller results than this.
define internal fastcc i1 @may_grow(ptr %pool, i64 %bytes) {
start:
  %n = get Pool.n_blocks %pool
  %blocks = get Pool.blocks %pool
  %limit = get Pool.limit %pool
  %held = get Pool.held %pool
  %twice = shl i64 %bytes, 1
  %larger = icmp ugt i64 %twice, %limit
  %spare = sub i64 %limit, %held
  br i1 %larger, label %yes, label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %slot ]
  %room = phi i64 [ %spare, %start ], [ %room.next, %slot ]
  %places = phi i64 [ 0, %start ], [ %places.next, %slot ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %slot, label %counted
slot:
  %block = element Block %blocks[%i]
  %lent = call fastcc i64 @free(ptr %block)
  %object = get Block.object %block
  %empty = icmp eq ptr %object, null
  %free = icmp ne i64 %lent, 0
  %place = or i1 %empty, %free
  %place.64 = zext i1 %place to i64
  %places.next = add i64 %places, %place.64
  %room.next = add i64 %room, %lent
  %i.next = add i64 %i, 1
  br label %next
counted:
  %enough = icmp sge i64 %room, %bytes
  %placed = icmp ne i64 %places, 0
  %both = and i1 %enough, %placed
  ret i1 %both
yes:
  ret i1 true
}

; Empty a slot. The slot comes first: to free memory may let other threads run.
define internal fastcc void @forget(ptr %pool, ptr %block) {
  %object = get Block.object %block
  %bytes = get Block.bytes %block
  %held = get Pool.held %pool
  %less = sub i64 %held, %bytes
  set Pool.held %pool = %less
  set Block.object %block = null
  api void Py_DecRef(ptr %object)
  ret void
}

; Add a block: 1, or 0 where the pool is full even without the free blocks that it has.
define i32 @admit(ptr %pool, ptr %object, ptr %data, i64 %bytes) {
start:
  %n = get Pool.n_blocks %pool
  %blocks = get Pool.blocks %pool
  br label %scan
scan:
  br label %next
next:
  %i = phi i64 [ 0, %scan ], [ %i.next, %slot ]
  %empty = phi ptr [ null, %scan ], [ %empty.next, %slot ]
  %unused = phi ptr [ null, %scan ], [ %unused.next, %slot ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %slot, label %scanned
slot:
  %block = element Block %blocks[%i]
  %held.object = get Block.object %block
  %is_empty = icmp eq ptr %held.object, null
  %empty.next = select i1 %is_empty, ptr %block, ptr %empty
  %lent = call fastcc i64 @free(ptr %block)
  %is_unused = icmp ne i64 %lent, 0
  %unused.next = select i1 %is_unused, ptr %block, ptr %unused
  %i.next = add i64 %i, 1
  br label %next
scanned:
  %held = get Pool.held %pool
  %limit = get Pool.limit %pool
  %total = add i64 %held, %bytes
  %within = icmp ule i64 %total, %limit
  %place = icmp ne ptr %empty, null
  %room = and i1 %within, %place
  br i1 %room, label %add, label %shrink
shrink:
  %any = icmp ne ptr %unused, null
  br i1 %any, label %drop, label %full
drop:
  call fastcc void @forget(ptr %pool, ptr %unused)
  br label %scan
add:
  api void Py_IncRef(ptr %object)
  set Block.object %empty = %object
  set Block.data %empty = %data
  set Block.bytes %empty = %bytes
  set Pool.held %pool = %total
  ret i32 1
full:
  ret i32 0
}

; Empty the pool. Results keep the blocks that they lie in.
define void @release(ptr %pool) {
start:
  %n_scalars = get Pool.n_scalars %pool
  %scalars = get Pool.scalars %pool
  %n = get Pool.n_blocks %pool
  %blocks = get Pool.blocks %pool
  br label %next_scalar
next_scalar:
  %s = phi i64 [ 0, %start ], [ %s.next, %dropped ]
  %s.more = icmp ult i64 %s, %n_scalars
  br i1 %s.more, label %scalar, label %next
scalar:
  %array = item ptr %scalars[%s]
  put ptr %scalars[%s] = null
  %nothing = icmp eq ptr %array, null
  br i1 %nothing, label %dropped, label %drop_scalar
drop_scalar:
  api void Py_DecRef(ptr %array)
  br label %dropped
dropped:
  %s.next = add i64 %s, 1
  br label %next_scalar
next:
  %i = phi i64 [ 0, %next_scalar ], [ %i.next, %following ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %slot, label %done
slot:
  %block = element Block %blocks[%i]
  %object = get Block.object %block
  %empty = icmp eq ptr %object, null
  br i1 %empty, label %following, label %drop
drop:
  call fastcc void @forget(ptr %pool, ptr %block)
  br label %following
following:
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}

; A new array in a free block, or null with an exception set. Its base is the block's array, which it so holds.
define internal fastcc ptr @place(ptr %block, ptr %spec, ptr %extents) {
  %ndarray = get Api.ndarray @api
  %object = get Block.object %block
  %data = get Block.data %block
  %descr = get Spec.descr %spec
  %ndim = get Spec.ndim %spec
  api void Py_IncRef(ptr %object)
  api void Py_IncRef(ptr %descr)
  %array = api ptr PyArray_NewFromDescr(ptr %ndarray, ptr %descr, i32 %ndim, ptr %extents,
      ptr null, ptr %data, i32 $writeable, ptr null)
  %failed = icmp eq ptr %array, null
  br i1 %failed, label %undo, label %hold
hold:                                        ; takes our reference to the block over, even where it fails
  %status = api i32 PyArray_SetBaseObject(ptr %array, ptr %object)
  %held = icmp eq i32 %status, 0
  br i1 %held, label %yes, label %loose
yes:
  ret ptr %array
loose:
  api void Py_DecRef(ptr %array)
  ret ptr null
undo:
  api void Py_DecRef(ptr %object)
  ret ptr null
}

; For Python: a result of so many bytes in a free block, or None where there is none.
define ptr @lend(ptr %pool, ptr %spec, ptr %extents, i64 %bytes) {
  %block = call fastcc ptr @unused(ptr %pool, i64 %bytes)
  %found = icmp ne ptr %block, null
  br i1 %found, label %place, label %nothing
place:
  %array = call fastcc ptr @place(ptr %block, ptr %spec, ptr %extents)
  ret ptr %array
nothing:
  %none = get Api.none @api
  api void Py_IncRef(ptr %none)
  ret ptr %none
}

; ---------------------------------------------------------------- results without axes

; May an array that a call gave be given again? Nobody has it, and it is as it was made but for its number.
define internal fastcc i1 @is_scalar(ptr %array, ptr %spec) alwaysinline {
  %empty = icmp eq ptr %array, null
  br i1 %empty, label %no, label %look
look:
  %count = get Object.count %array
  %alone = icmp eq i32 %count, 1
  br i1 %alone, label %compare, label %no
compare:
  %type = get Object.type %array
  %ndarray = get Api.ndarray @api
  %exact = icmp eq ptr %type, %ndarray
  %descr = get Array.descr %array
  %descr.wanted = get Spec.descr %spec
  %typed = icmp eq ptr %descr, %descr.wanted
  %ndim = get Array.ndim %array
  %ranked = icmp eq i32 %ndim, 0
  %flags = get Array.flags %array
  %flagged = icmp eq i32 %flags, $scalar_flags
  %base = get Array.base %array
  %weakrefs = get Array.weakrefs %array
  %owns = icmp eq ptr %base, null
  %unwatched = icmp eq ptr %weakrefs, null
  %yes.1 = and i1 %exact, %typed
  %yes.2 = and i1 %ranked, %flagged
  %yes.3 = and i1 %owns, %unwatched
  %yes.4 = and i1 %yes.1, %yes.2
  %yes = and i1 %yes.3, %yes.4
  ret i1 %yes
no:
  ret i1 false
}

; The array for result number i, which has no axes: one of the last two calls' if that is free, else a new one. Null
; with an exception set if it cannot be had. To make an array takes ten times as long as to look at one.
define internal fastcc ptr @scalar(ptr %pool, ptr %spec, i64 %i) {
  %scalars = get Pool.scalars %pool
  %first.i = shl i64 %i, 1
  %second.i = add i64 %first.i, 1
  %first = item ptr %scalars[%first.i]
  %first.free = call fastcc i1 @is_scalar(ptr %first, ptr %spec)
  br i1 %first.free, label %again, label %other
other:
  %second = item ptr %scalars[%second.i]
  %second.free = call fastcc i1 @is_scalar(ptr %second, ptr %spec)
  br i1 %second.free, label %again, label %new
again:
  %old = phi ptr [ %first, %0 ], [ %second, %other ]
  api void Py_IncRef(ptr %old)
  ret ptr %old
new:
  %ndarray = get Api.ndarray @api
  %descr = get Spec.descr %spec
  api void Py_IncRef(ptr %descr)
  %array = api ptr PyArray_NewFromDescr(ptr %ndarray, ptr %descr, i32 0, ptr null,
      ptr null, ptr null, i32 0, ptr null)
  %failed = icmp eq ptr %array, null
  br i1 %failed, label %no, label %keep
keep:
  api void Py_IncRef(ptr %array)
  put ptr %scalars[%first.i] = %array
  put ptr %scalars[%second.i] = %first
  %none = icmp eq ptr %second, null
  br i1 %none, label %made, label %drop
drop:                                        ; last: a weak reference to it may run any code
  api void Py_DecRef(ptr %second)
  br label %made
made:
  ret ptr %array
no:
  ret ptr null
}

; ---------------------------------------------------------------- results

define internal fastcc void @drop(ptr %objects, i64 %n) {
start:
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %object ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %object, label %done
object:
  %object.i = item ptr %objects[%i]
  api void Py_DecRef(ptr %object.i)
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}

; New arrays for all results. Nothing is held where the answer is $failed (with an exception set: one cannot be had)
; or $missed (Python is to make the pool larger).
define internal fastcc i32 @allocate(ptr %descriptor, ptr %workspace) alwaysinline {
start:
  %n = get Descriptor.n_results %descriptor
  %specs = get Descriptor.results %descriptor
  %extents.first = get Workspace.extents %workspace
  %buffers = get Workspace.result_buffers %workspace
  %results = get Workspace.results %workspace
  %ndarray = get Api.ndarray @api
  %pool = get Descriptor.pool %descriptor
  %has_large = get Workspace.has_large %workspace
  %all_small = icmp eq i64 %has_large, 0
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %made ]
  %extents = phi ptr [ %extents.first, %start ], [ %extents.next, %made ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %make, label %done
make:
  %spec = element Spec %specs[%i]
  %descr = get Spec.descr %spec
  %ndim = get Spec.ndim %spec
  %no_axes = icmp eq i32 %ndim, 0
  br i1 %no_axes, label %scalar, label %axes
scalar:
  %array.scalar = call fastcc ptr @scalar(ptr %pool, ptr %spec, i64 %i)
  br label %new
axes:
  br i1 %all_small, label %own, label %measure
measure:
  %bytes = call fastcc i64 @bytes(ptr %spec, ptr %extents)
  %large = call fastcc i1 @is_large(i64 %bytes)
  br i1 %large, label %search, label %own
search:
  %block = call fastcc ptr @unused(ptr %pool, i64 %bytes)
  %found = icmp ne ptr %block, null
  br i1 %found, label %pooled, label %none_free
none_free:
  %may_grow = call fastcc i1 @may_grow(ptr %pool, i64 %bytes)
  br i1 %may_grow, label %undo, label %own
pooled:
  %array.pooled = call fastcc ptr @place(ptr %block, ptr %spec, ptr %extents)
  br label %new
own:
  api void Py_IncRef(ptr %descr)             ; the next call takes it over
  %array.own = api ptr PyArray_NewFromDescr(ptr %ndarray, ptr %descr, i32 %ndim, ptr %extents,
      ptr null, ptr null, i32 0, ptr null)
  br label %new
new:
  %array = phi ptr [ %array.own, %own ], [ %array.pooled, %pooled ], [ %array.scalar, %scalar ]
  %failed = icmp eq ptr %array, null
  br i1 %failed, label %undo, label %made
made:
  put ptr %results[%i] = %array
  %data = get Array.data %array
  put ptr %buffers[%i] = %data
  %extents.next = getelementptr i64, ptr %extents, i32 %ndim
  %i.next = add i64 %i, 1
  br label %next
undo:
  %answer = phi i32 [ $missed, %none_free ], [ $failed, %new ]
  call fastcc void @drop(ptr %results, i64 %i)
  ret i32 %answer
done:
  ret i32 $made
}

; The object to return for the new arrays, which it takes over: null with an exception set if that fails.
define internal fastcc ptr @pack(ptr %descriptor, ptr %workspace) alwaysinline {
start:
  %n = get Descriptor.n_results %descriptor
  %results = get Workspace.results %workspace
  %keys = get Descriptor.keys %descriptor
  %structure = get Descriptor.structure %descriptor
  switch i64 %structure, label %nothing [
    i64 $one, label %one
    i64 $tuple, label %new_sequence
    i64 $list, label %new_sequence
    i64 $dict, label %new_dict
  ]
nothing:
  %none = get Api.none @api
  api void Py_IncRef(ptr %none)
  ret ptr %none
one:
  %only = load ptr, ptr %results
  ret ptr %only
new_sequence:
  %is_tuple = icmp eq i64 %structure, $tuple
  %new_tuple = get Api.PyTuple_New @api
  %new_list = get Api.PyList_New @api
  %new = select i1 %is_tuple, ptr %new_tuple, ptr %new_list
  %sequence = call ptr %new(i64 %n)
  %sequence.failed = icmp eq ptr %sequence, null
  br i1 %sequence.failed, label %failed, label %fill
fill:                                        ; its places are null; a list of none has no items
  %of_tuple = at Tuple.items %sequence
  %of_list = get List.items %sequence
  %items = select i1 %is_tuple, ptr %of_tuple, ptr %of_list
  br label %next_of_sequence
next_of_sequence:
  %s = phi i64 [ 0, %fill ], [ %s.next, %of_sequence ]
  %s.more = icmp ult i64 %s, %n
  br i1 %s.more, label %of_sequence, label %sequence_done
of_sequence:                                 ; a sequence takes our reference over
  %s.item = item ptr %results[%s]
  put ptr %items[%s] = %s.item
  %s.next = add i64 %s, 1
  br label %next_of_sequence
sequence_done:
  ret ptr %sequence
new_dict:
  %dict = api ptr PyDict_New()
  %dict.failed = icmp eq ptr %dict, null
  br i1 %dict.failed, label %failed, label %next_of_dict
next_of_dict:
  %d = phi i64 [ 0, %new_dict ], [ %d.next, %of_dict ]
  %d.more = icmp ult i64 %d, %n
  br i1 %d.more, label %of_dict, label %dict_done
of_dict:                                     ; a dict takes a reference of its own, so ours is dropped
  %d.key = item ptr %keys[%d]
  %d.item = item ptr %results[%d]
  %d.status = api i32 PyDict_SetItem(ptr %dict, ptr %d.key, ptr %d.item)
  %d.next = add i64 %d, 1
  %d.stored = icmp eq i32 %d.status, 0
  br i1 %d.stored, label %next_of_dict, label %dict_undo
dict_done:
  call fastcc void @drop(ptr %results, i64 %n)
  ret ptr %dict
dict_undo:
  api void Py_DecRef(ptr %dict)
  br label %failed
failed:
  call fastcc void @drop(ptr %results, i64 %n)
  ret ptr null
}

; Note the caller's arrays, the items of `out`, as the results: false unless it has the structure of the outputs.
; A dict's keys must be the very objects, in order: no code of theirs runs here.
define internal fastcc i1 @unpack(ptr %descriptor, ptr %workspace, ptr %out) alwaysinline {
start:
  %position = alloca i64
  %key.at = alloca ptr
  %value.at = alloca ptr
  %n = get Descriptor.n_results %descriptor
  %results = get Workspace.results %workspace
  %structure = get Descriptor.structure %descriptor
  %type = get Object.type %out
  switch i64 %structure, label %no [
    i64 $one, label %one
    i64 $tuple, label %sequence
    i64 $list, label %sequence
    i64 $dict, label %dict
  ]
one:
  store ptr %out, ptr %results
  ret i1 true
sequence:
  %tuple = get Api.tuple @api
  %list = get Api.list @api
  %is_tuple = icmp eq ptr %type, %tuple
  %is_list = icmp eq ptr %type, %list
  %is_sequence = or i1 %is_tuple, %is_list
  br i1 %is_sequence, label %count, label %no
count:
  %size = get Tuple.size %out
  %of_tuple = at Tuple.items %out
  %of_list = get List.items %out
  %items = select i1 %is_tuple, ptr %of_tuple, ptr %of_list
  %counted = icmp eq i64 %size, %n
  br i1 %counted, label %next_item, label %no
next_item:
  %s = phi i64 [ 0, %count ], [ %s.next, %item ]
  %s.more = icmp ult i64 %s, %n
  br i1 %s.more, label %item, label %yes
item:
  %s.item = item ptr %items[%s]
  put ptr %results[%s] = %s.item
  %s.next = add i64 %s, 1
  br label %next_item
dict:
  %dict.type = get Api.dict @api
  %is_dict = icmp eq ptr %type, %dict.type
  %keys = get Descriptor.keys %descriptor
  store i64 0, ptr %position
  br i1 %is_dict, label %next_key, label %no
next_key:
  %d = phi i64 [ 0, %dict ], [ %d.next, %value ]
  %d.more = api i32 PyDict_Next(ptr %out, ptr %position, ptr %key.at, ptr %value.at)
  %d.left = icmp ne i32 %d.more, 0
  br i1 %d.left, label %key, label %last
key:
  %d.known = icmp ult i64 %d, %n
  br i1 %d.known, label %compare, label %no
compare:
  %d.wanted = item ptr %keys[%d]
  %d.key = load ptr, ptr %key.at
  %d.same = icmp eq ptr %d.wanted, %d.key
  br i1 %d.same, label %value, label %no
value:
  %d.value = load ptr, ptr %value.at
  put ptr %results[%d] = %d.value
  %d.next = add i64 %d, 1
  br label %next_key
last:
  %complete = icmp eq i64 %d, %n
  ret i1 %complete
yes:
  ret i1 true
no:
  ret i1 false
}

; Has an array these sizes?
define internal fastcc i1 @has_extents(ptr %array, ptr %spec, ptr %extents) alwaysinline {
start:
  %ndim.32 = get Spec.ndim %spec
  %ndim = zext i32 %ndim.32 to i64
  %shape = get Array.shape %array
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %axis ]
  %more = icmp ult i64 %i, %ndim
  br i1 %more, label %axis, label %yes
axis:
  %size = item i64 %shape[%i]
  %extent = item i64 %extents[%i]
  %equal = icmp eq i64 %size, %extent
  %i.next = add i64 %i, 1
  br i1 %equal, label %next, label %no
yes:
  ret i1 true
no:
  ret i1 false
}

; Note the memory ranges of all inputs.
define internal fastcc void @note_inputs(ptr %descriptor, ptr %workspace, ptr %args, ptr %order) alwaysinline {
start:
  %n = get Descriptor.n_inputs %descriptor
  %specs = get Descriptor.inputs %descriptor
  %ranges = get Workspace.ranges %workspace
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %input ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %input, label %done
input:
  %spec = element Spec %specs[%i]
  %place = item i64 %order[%i]
  %array = item ptr %args[%place]
  %data = get Array.data %array
  %end = call fastcc ptr @end(ptr %array, ptr %spec)
  %range = element Range %ranges[%i]
  set Range.start %range = %data
  set Range.end %range = %end
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}

; Use the caller's arrays, the items of `out`, for the results: false unless all fit, apart from all inputs, parameters
; and each other. False also where a check could fail after the program stored to them.
define internal fastcc i1 @accept_out(ptr %descriptor, ptr %workspace, ptr %args, ptr %order, ptr %out) {
start:
  %early = get Descriptor.stores_early %descriptor
  %late = icmp eq i64 %early, 0
  br i1 %late, label %unpack, label %no
unpack:
  %unpacked = call fastcc i1 @unpack(ptr %descriptor, ptr %workspace, ptr %out)
  br i1 %unpacked, label %note, label %no
note:
  call fastcc void @note_inputs(ptr %descriptor, ptr %workspace, ptr %args, ptr %order)
  %n = get Descriptor.n_results %descriptor
  %n_inputs = get Descriptor.n_inputs %descriptor
  %specs = get Descriptor.results %descriptor
  %results = get Workspace.results %workspace
  %buffers = get Workspace.result_buffers %workspace
  %extents.first = get Workspace.extents %workspace
  %parameters = get Descriptor.ranges %descriptor
  %n_parameters = get Descriptor.n_ranges %descriptor
  %taken = get Workspace.ranges %workspace
  br label %next
next:
  %i = phi i64 [ 0, %note ], [ %i.next, %apart ]
  %extents = phi ptr [ %extents.first, %note ], [ %extents.next, %apart ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %result, label %yes
result:
  %array = item ptr %results[%i]
  %spec = element Spec %specs[%i]
  %fits = call fastcc i1 @fits(ptr %array, ptr %spec, i32 $writeable)
  br i1 %fits, label %sizes, label %no
sizes:
  %sized = call fastcc i1 @has_extents(ptr %array, ptr %spec, ptr %extents)
  br i1 %sized, label %place, label %no
place:
  %data = get Array.data %array
  %end = call fastcc ptr @end(ptr %array, ptr %spec)
  %on_parameter = call fastcc i1 @meets(ptr %data, ptr %end, ptr %parameters, i64 %n_parameters)
  br i1 %on_parameter, label %no, label %others
others:
  %n_taken = add i64 %n_inputs, %i
  %on_other = call fastcc i1 @meets(ptr %data, ptr %end, ptr %taken, i64 %n_taken)
  br i1 %on_other, label %no, label %apart
apart:
  %range = element Range %taken[%n_taken]
  set Range.start %range = %data
  set Range.end %range = %end
  put ptr %buffers[%i] = %data
  %ndim = get Spec.ndim %spec
  %extents.next = getelementptr i64, ptr %extents, i32 %ndim
  %i.next = add i64 %i, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}

; ---------------------------------------------------------------- the call

; Claim the workspace in a slot, or null while another call holds it.
define ptr @claim(ptr %slot) alwaysinline {
  %workspace = atomicrmw xchg ptr %slot, ptr null acquire
  ret ptr %workspace
}

; Add a descriptor in front of those that a callable has.
define void @push(ptr %self, ptr %descriptor) {
  %first = get Callable.first %self
  set Descriptor.next %descriptor = %first
  set Callable.first %self = %descriptor
  ret void
}

; Run the program on a bound and planned workspace.
define internal fastcc i32 @run(ptr %descriptor, ptr %workspace) alwaysinline {
  %entry = get Descriptor.entry %descriptor
  %buffers = get Workspace.buffers %workspace
  %frame = get Workspace.frame %workspace
  %arena = get Workspace.arena %workspace
  %status = call i32 %entry(ptr %buffers, ptr %frame, ptr %arena)
  ret i32 %status
}

; May a call begin on its parameters? What it updates nobody may hold; what it reads no writer may.
define internal fastcc i1 @may_begin(ptr %descriptor, ptr %workspace) {
start:
  %n = get Descriptor.n_claims %descriptor
  %n_updated = get Descriptor.n_updated %descriptor
  %claims = get Descriptor.claims %descriptor
  %waits = get Workspace.waits %workspace
  %first_come = icmp eq i64 %waits, 0          ; one that waits has closed the claims itself
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %claim ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %claim, label %yes
claim:
  %at = item ptr %claims[%i]
  %holders = get Claim.holders %at
  %closed = get Claim.closed %at
  %is_updated = icmp ult i64 %i, %n_updated
  %alone = icmp eq i64 %holders, 0
  %unwritten = icmp sge i64 %holders, 0
  %free = select i1 %is_updated, i1 %alone, i1 %unwritten
  %is_closed = icmp ne i64 %closed, 0
  %shut = and i1 %first_come, %is_closed
  %open = xor i1 %shut, true
  %fits = and i1 %free, %open
  %i.next = add i64 %i, 1
  br i1 %fits, label %next, label %no
yes:
  ret i1 true
no:
  ret i1 false
}

; Take the claims of a call, or give them back: a reader is one more or less, a writer is there or not.
define internal fastcc void @mark(ptr %descriptor, i64 %readers, i64 %writer) {
start:
  %n = get Descriptor.n_claims %descriptor
  %n_updated = get Descriptor.n_updated %descriptor
  %claims = get Descriptor.claims %descriptor
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %claim ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %claim, label %done
claim:
  %at = item ptr %claims[%i]
  %holders = get Claim.holders %at
  %counted = add i64 %holders, %readers
  %is_updated = icmp ult i64 %i, %n_updated
  %new = select i1 %is_updated, i64 %writer, i64 %counted
  set Claim.holders %at = %new
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}

; Close the claims of a call once more, or once less: a wait begins or ends.
define internal fastcc void @close(ptr %descriptor, i64 %times) {
start:
  %gate = get Api.gate @api
  %waiting = get Gate.waiting %gate
  %waiting.new = add i64 %waiting, %times
  set Gate.waiting %gate = %waiting.new
  %n = get Descriptor.n_claims %descriptor
  %claims = get Descriptor.claims %descriptor
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %claim ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %claim, label %done
claim:
  %at = item ptr %claims[%i]
  %closed = get Claim.closed %at
  %new = add i64 %closed, %times
  set Claim.closed %at = %new
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}

; Begin to wait: nobody else begins on these parameters before this call does. Python calls it, holding LOCK of
; symnet.claims, so one thread waits at a time.
define void @wait(ptr %descriptor, ptr %workspace) {
  %waits = get Workspace.waits %workspace
  %new = icmp eq i64 %waits, 0
  br i1 %new, label %close, label %done
close:
  call fastcc void @close(ptr %descriptor, i64 1)
  set Workspace.waits %workspace = 1
  br label %done
done:
  ret void
}

; End a wait if there is one.
define void @end_wait(ptr %descriptor, ptr %workspace) {
  %waits = get Workspace.waits %workspace
  %none = icmp eq i64 %waits, 0
  br i1 %none, label %done, label %open
open:
  set Workspace.waits %workspace = 0
  call fastcc void @close(ptr %descriptor, i64 -1)
  br label %done
done:
  ret void
}

; Run the program without the GIL: other threads of Python go on meanwhile. They leave alone what it works on: the
; workspace is claimed, the parameters are, and the arrays are held by those who called.
define internal fastcc i32 @run_released(ptr %descriptor, ptr %workspace) noinline {
  call void @end_wait(ptr %descriptor, ptr %workspace)
  call fastcc void @mark(ptr %descriptor, i64 1, i64 -1)
  %gate = get Api.gate @api
  %others = get Gate.in_flight %gate
  %with_us = add i64 %others, 1
  set Gate.in_flight %gate = %with_us
  %thread = api ptr PyEval_SaveThread()
  %status = call fastcc i32 @run(ptr %descriptor, ptr %workspace)
  api void PyEval_RestoreThread(ptr %thread)
  %all = get Gate.in_flight %gate
  %without_us = sub i64 %all, 1
  set Gate.in_flight %gate = %without_us
  call fastcc void @mark(ptr %descriptor, i64 -1, i64 0)
  ret i32 %status
}

; Run the program on a bound and planned workspace, without the GIL if that takes long. $busy, and nothing is
; changed, where its parameters are not free.
define i32 @enter(ptr %descriptor, ptr %workspace) alwaysinline {
  %n_claims = get Descriptor.n_claims %descriptor
  %unclaimed = icmp eq i64 %n_claims, 0
  %gate = get Api.gate @api
  br i1 %unclaimed, label %begin, label %others
others:                                      ; nearly always there are none, and then nothing is claimed or closed
  %in_flight = get Gate.in_flight %gate
  %waiting = get Gate.waiting %gate
  %any = or i64 %in_flight, %waiting
  %none = icmp eq i64 %any, 0
  br i1 %none, label %begin, label %look
look:
  %free = call fastcc i1 @may_begin(ptr %descriptor, ptr %workspace)
  br i1 %free, label %begin, label %busy
begin:
  %is_long = get Workspace.is_long %workspace
  %short = icmp eq i64 %is_long, 0
  br i1 %short, label %keep, label %long
long:
  %closed = get Gate.closed %gate
  %open = icmp eq i64 %closed, 0
  br i1 %open, label %release, label %keep
keep:
  %status.kept = call fastcc i32 @run(ptr %descriptor, ptr %workspace)
  ret i32 %status.kept
release:
  %status.released = call fastcc i32 @run_released(ptr %descriptor, ptr %workspace)
  ret i32 %status.released
busy:
  ret i32 $busy
}

; The same for a call that may release the GIL. It holds the results one by one meanwhile: another thread might take
; them out of the caller's list. Arguments are the caller's to hold until a vectorcall returns.
define internal fastcc i32 @enter_long(ptr %descriptor, ptr %workspace) noinline {
start:
  %n = get Descriptor.n_results %descriptor
  %results = get Workspace.results %workspace
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i.next, %result ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %result, label %enter
result:
  %array = item ptr %results[%i]
  api void Py_IncRef(ptr %array)
  %i.next = add i64 %i, 1
  br label %next
enter:
  %status = call i32 @enter(ptr %descriptor, ptr %workspace)
  call fastcc void @drop(ptr %results, i64 %n)
  ret i32 %status
}

; Hand the call over to Python: self.__call__(*args, **kwargs).
define internal fastcc ptr @miss(ptr %self, ptr %args, i64 %n_flagged, ptr %kwnames) {
  %name = get Api.call_name @api
  %method = api ptr PyObject_GetAttr(ptr %self, ptr %name)
  %failed = icmp eq ptr %method, null
  br i1 %failed, label %error, label %hand_over
hand_over:
  %result = api ptr PyObject_Vectorcall(ptr %method, ptr %args, i64 %n_flagged, ptr %kwnames)
  api void Py_DecRef(ptr %method)
  ret ptr %result
error:
  ret ptr null
}

; The vectorcall of every NativeCallable.
define ptr @call(ptr %self, ptr %args, i64 %n_flagged, ptr %kwnames) {
start:
  %n_positional = and i64 %n_flagged, 9223372036854775807
  %order = call fastcc ptr @match(ptr %self, i64 %n_positional, ptr %kwnames)
  %matched = icmp ne ptr %order, null
  br i1 %matched, label %search, label %miss
search:
  %first = get Callable.first %self
  br label %next
next:
  %descriptor = phi ptr [ %first, %search ], [ %following, %reject ]
  %previous = phi ptr [ null, %search ], [ %descriptor, %reject ]
  %none_left = icmp eq ptr %descriptor, null
  br i1 %none_left, label %miss, label %claim
claim:
  %slot = at Descriptor.workspace %descriptor
  %workspace = call ptr @claim(ptr %slot)
  %busy = icmp eq ptr %workspace, null
  br i1 %busy, label %miss, label %bind
bind:
  %bound = call fastcc i1 @bind(ptr %descriptor, ptr %workspace, ptr %args, ptr %order)
  br i1 %bound, label %plan, label %reject
plan:
  %planned = call fastcc i1 @plan(ptr %descriptor, ptr %workspace)
  br i1 %planned, label %accept, label %reject
reject:
  store atomic ptr %workspace, ptr %slot release, align 8
  %following = get Descriptor.next %descriptor
  br label %next

accept:
  %in_front = icmp eq ptr %previous, null
  br i1 %in_front, label %results, label %move_to_front
move_to_front:
  %after = get Descriptor.next %descriptor
  set Descriptor.next %previous = %after
  set Descriptor.next %descriptor = %first
  set Callable.first %self = %descriptor
  br label %results

results:
  %n_inputs = get Descriptor.n_inputs %descriptor
  %out.place = item i64 %order[%n_inputs]
  %no_out = icmp slt i64 %out.place, 0
  br i1 %no_out, label %allocate, label %given
given:
  %out = item ptr %args[%out.place]
  %out.fits = call fastcc i1 @accept_out(ptr %descriptor, ptr %workspace, ptr %args, ptr %order, ptr %out)
  br i1 %out.fits, label %hold_out, label %leave
hold_out:
  api void Py_IncRef(ptr %out)
  br label %enter
allocate:
  %allocated = call fastcc i32 @allocate(ptr %descriptor, ptr %workspace)
  switch i32 %allocated, label %pack [
    i32 $failed, label %error
    i32 $missed, label %leave
  ]
pack:
  %packed = call fastcc ptr @pack(ptr %descriptor, ptr %workspace)
  %pack.failed = icmp eq ptr %packed, null
  br i1 %pack.failed, label %error, label %enter

enter:
  %result = phi ptr [ %out, %hold_out ], [ %packed, %pack ]
  %is_long = get Workspace.is_long %workspace
  %short = icmp eq i64 %is_long, 0
  br i1 %short, label %enter_short, label %enter_long
enter_short:
  %status.short = call i32 @enter(ptr %descriptor, ptr %workspace)
  br label %entered
enter_long:
  %status.long = call fastcc i32 @enter_long(ptr %descriptor, ptr %workspace)
  br label %entered
entered:
  %status = phi i32 [ %status.short, %enter_short ], [ %status.long, %enter_long ]
  store atomic ptr %workspace, ptr %slot release, align 8
  %good = icmp eq i32 %status, 0
  br i1 %good, label %return, label %discard
return:
  ret ptr %result
discard:                                     ; a check on the data failed: Python says which; or another call is to be waited for
  api void Py_DecRef(ptr %result)
  br label %miss
error:
  store atomic ptr %workspace, ptr %slot release, align 8
  ret ptr null
leave:
  store atomic ptr %workspace, ptr %slot release, align 8
  br label %miss
miss:
  %answer = call fastcc ptr @miss(ptr %self, ptr %args, i64 %n_flagged, ptr %kwnames)
  ret ptr %answer
}
