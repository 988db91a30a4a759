; Copies of Parameters, made anew where a Parameter was written in between: see versions.py for the table.
define void @begin(ptr %table) {
start:
  %updated.at = getelementptr i64, ptr %table, i64 1
  %updated = load i64, ptr %updated.at
  %packed.at = getelementptr i64, ptr %table, i64 2
  %packed = load i64, ptr %packed.at
  %versions = getelementptr i64, ptr %table, i64 3
  %records = getelementptr i64, ptr %versions, i64 %updated
  br label %count
count:
  %i = phi i64 [ 0, %start ], [ %i.next, %write ]
  %more = icmp ult i64 %i, %updated
  br i1 %more, label %write, label %copies
write:
  %at = getelementptr ptr, ptr %versions, i64 %i
  %version = load ptr, ptr %at
  %old = load i64, ptr %version
  %new = add i64 %old, 1
  store i64 %new, ptr %version
  %i.next = add i64 %i, 1
  br label %count
copies:
  %k = phi i64 [ 0, %count ], [ %k.next, %next ]
  %record = phi ptr [ %records, %count ], [ %record.next, %next ]
  %left = icmp ult i64 %k, %packed
  br i1 %left, label %look, label %done
look:
  %present.at = load ptr, ptr %record
  %present = load i64, ptr %present.at
  %copied.at = getelementptr i64, ptr %record, i64 1
  %copied = load atomic i64, ptr %copied.at acquire, align 8
  %same = icmp eq i64 %present, %copied
  br i1 %same, label %next, label %copy
copy:
  call void @pack(ptr %record)
  store atomic i64 %present, ptr %copied.at release, align 8
  br label %next
next:
  %k.next = add i64 %k, 1
  %record.next = getelementptr i64, ptr %record, i64 9
  br label %copies
done:
  ret void
}

define internal void @pack(ptr %record) {
start:
  %from.at = getelementptr i64, ptr %record, i64 2
  %from = load ptr, ptr %from.at
  %to.at = getelementptr i64, ptr %record, i64 3
  %to = load ptr, ptr %to.at
  %rows.at = getelementptr i64, ptr %record, i64 4
  %rows = load i64, ptr %rows.at
  %columns.at = getelementptr i64, ptr %record, i64 5
  %columns = load i64, ptr %columns.at
  %down.at = getelementptr i64, ptr %record, i64 6
  %down = load i64, ptr %down.at
  %width.at = getelementptr i64, ptr %record, i64 7
  %width = load i64, ptr %width.at
  %lanes.at = getelementptr i64, ptr %record, i64 8
  %lanes = load i64, ptr %lanes.at
  br label %strips
strips:
  %first = phi i64 [ 0, %start ], [ %first.next, %strip.done ]
  %target = phi ptr [ %to, %start ], [ %row.to, %strip.done ]
  %left = sub i64 %columns, %first
  %any = icmp sgt i64 %left, 0
  br i1 %any, label %strip, label %done
strip:                                    ; as wide as a whole one, else as the whole vectors left, else as one
  %spare = urem i64 %left, %lanes
  %full = sub i64 %left, %spare
  %vectors = call i64 @llvm.umax.i64(i64 %full, i64 %lanes)
  %pitch = call i64 @llvm.umin.i64(i64 %vectors, i64 %width)
  %valid = call i64 @llvm.umin.i64(i64 %pitch, i64 %left)
  %blocks = and i64 %valid, -64
  %source = getelementptr i8, ptr %from, i64 %first
  br label %rows.next
rows.next:
  %row = phi i64 [ 0, %strip ], [ %row.next, %row.done ]
  %row.from = phi ptr [ %source, %strip ], [ %row.from.next, %row.done ]
  %row.to = phi ptr [ %target, %strip ], [ %row.to.next, %row.done ]
  %row.any = icmp ult i64 %row, %rows
  br i1 %row.any, label %block, label %strip.done
block:
  %b = phi i64 [ 0, %rows.next ], [ %b.next, %block.copy ]
  %b.any = icmp ult i64 %b, %blocks
  br i1 %b.any, label %block.copy, label %byte
block.copy:
  %b.from = getelementptr i8, ptr %row.from, i64 %b
  %b.to = getelementptr i8, ptr %row.to, i64 %b
  %sixty.four = load <64 x i8>, ptr %b.from, align 1
  store <64 x i8> %sixty.four, ptr %b.to, align 1
  %b.next = add i64 %b, 64
  br label %block
byte:
  %c = phi i64 [ %blocks, %block ], [ %c.next, %byte.copy ]
  %c.any = icmp ult i64 %c, %valid
  br i1 %c.any, label %byte.copy, label %row.done
byte.copy:
  %c.from = getelementptr i8, ptr %row.from, i64 %c
  %c.to = getelementptr i8, ptr %row.to, i64 %c
  %one = load i8, ptr %c.from
  store i8 %one, ptr %c.to
  %c.next = add i64 %c, 1
  br label %byte
row.done:
  %row.next = add i64 %row, 1
  %row.from.next = getelementptr i8, ptr %row.from, i64 %down
  %row.to.next = getelementptr i8, ptr %row.to, i64 %pitch
  br label %rows.next
strip.done:
  %first.next = add i64 %first, %pitch
  br label %strips
done:
  ret void
}

declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.umax.i64(i64, i64)
