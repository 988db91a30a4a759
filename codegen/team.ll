; A team: the calling thread and workers that wait for work (see team.py).
;
; A job has parts. Whoever is free takes the next one, the caller too: a worker that is still asleep costs
; nothing, for the caller then does all the parts itself. Which thread does which part changes no result.
;
; A team is a block of memory, its words on cache lines of their own where threads write them:
;
;   at 0    the address of @fork, for the programs
;   at 64   generation (i32): the number of jobs begun
;   at 128  ticket (i64): generation << 32 | parts << 16 | the next part to take
;   at 192  finished (i64): parts that are done
;   at 256  busy (i64): whether a job is under way
;   at 264  sleepers (i64): workers that sleep
;   at 272  function, at 280 arguments, at 288 alive (i64), at 296 the address of the system's `syscall`
;
; Names with a dollar sign are numbers filled in by team.py.

define internal ptr @word(ptr %team, i64 %offset) alwaysinline {
  %at = getelementptr i8, ptr %team, i64 %offset
  ret ptr %at
}

; Do parts of the job under way, until none is left to take. Once a part is taken its job cannot end before the
; part does, so the function and its arguments are those of this job.
define internal void @take_parts(ptr %team) {
start:
  %ticket.at = call ptr @word(ptr %team, i64 128)
  %finished = call ptr @word(ptr %team, i64 192)
  br label %look
look:
  %ticket = load atomic i64, ptr %ticket.at seq_cst, align 8
  %part = and i64 %ticket, 65535
  %shifted = lshr i64 %ticket, 16
  %parts = and i64 %shifted, 65535
  %left = icmp ult i64 %part, %parts
  br i1 %left, label %take, label %done
take:
  %following = add i64 %ticket, 1
  %swapped = cmpxchg ptr %ticket.at, i64 %ticket, i64 %following seq_cst seq_cst
  %taken = extractvalue { i64, i1 } %swapped, 1
  br i1 %taken, label %run, label %look
run:
  %function.at = call ptr @word(ptr %team, i64 272)
  %function = load ptr, ptr %function.at
  %arguments.at = call ptr @word(ptr %team, i64 280)
  %arguments = load ptr, ptr %arguments.at
  call void %function(ptr %arguments, i64 %part, i64 %parts)
  %before = atomicrmw add ptr %finished, i64 1 seq_cst
  br label %look
done:
  ret void
}

; The life of a worker, from the generation `first` on. Between jobs it spins for a short while, then sleeps.
define void @work(ptr %team, i32 %first) {
start:
  %generation = call ptr @word(ptr %team, i64 64)
  %sleepers = call ptr @word(ptr %team, i64 264)
  %alive.at = call ptr @word(ptr %team, i64 288)
  %syscall.at = call ptr @word(ptr %team, i64 296)
  %syscall = load ptr, ptr %syscall.at
  br label %next
next:
  %seen = phi i32 [ %first, %start ], [ %now, %job ]
  br label %look
look:
  %spins = phi i64 [ 0, %next ], [ %spins.next, %rest ], [ $spins, %sleep ]
  %now = load atomic i32, ptr %generation seq_cst, align 4
  %new = icmp ne i32 %now, %seen
  br i1 %new, label %begin, label %wait
wait:
  %short = icmp ult i64 %spins, $spins
  br i1 %short, label %rest, label %sleep
rest:
  $pause
  %spins.next = add i64 %spins, 1
  br label %look
sleep:                                       ; the system looks at the generation once more before it puts us to sleep
  %one.more = atomicrmw add ptr %sleepers, i64 1 seq_cst
  %woken = call i64 (i64, ...) %syscall(i64 $futex, ptr %generation, i64 128, i32 %seen, ptr null)
  %one.less = atomicrmw sub ptr %sleepers, i64 1 seq_cst
  br label %look
begin:
  %alive = load atomic i64, ptr %alive.at seq_cst, align 8
  %going = icmp ne i64 %alive, 0
  br i1 %going, label %job, label %leave
job:
  call void @take_parts(ptr %team)
  br label %next
leave:
  ret void
}

; Run function(arguments, part, parts) for every part, and come back when all are done. If the team is at work
; for another thread this one does all parts itself.
define void @fork(ptr %team, ptr %function, ptr %arguments, i64 %parts) {
start:
  %busy = call ptr @word(ptr %team, i64 256)
  %taken = atomicrmw xchg ptr %busy, i64 1 seq_cst
  %free = icmp eq i64 %taken, 0
  br i1 %free, label %share, label %part
share:
  %function.at = call ptr @word(ptr %team, i64 272)
  store ptr %function, ptr %function.at
  %arguments.at = call ptr @word(ptr %team, i64 280)
  store ptr %arguments, ptr %arguments.at
  %finished = call ptr @word(ptr %team, i64 192)
  store atomic i64 0, ptr %finished seq_cst, align 8
  %generation = call ptr @word(ptr %team, i64 64)
  %old = load i32, ptr %generation
  %new = add i32 %old, 1
  %wide = zext i32 %new to i64
  %high = shl i64 %wide, 32
  %middle = shl i64 %parts, 16
  %ticket = or i64 %high, %middle
  %ticket.at = call ptr @word(ptr %team, i64 128)
  store atomic i64 %ticket, ptr %ticket.at seq_cst, align 8
  store atomic i32 %new, ptr %generation seq_cst, align 4
  %sleepers.at = call ptr @word(ptr %team, i64 264)
  %sleepers = load atomic i64, ptr %sleepers.at seq_cst, align 8
  %asleep = icmp ne i64 %sleepers, 0
  %syscall.at = call ptr @word(ptr %team, i64 296)
  %syscall = load ptr, ptr %syscall.at
  br i1 %asleep, label %wake, label %own
wake:
  %woken = call i64 (i64, ...) %syscall(i64 $futex, ptr %generation, i64 129, i64 2147483647)
  br label %own
own:
  call void @take_parts(ptr %team)
  br label %look
look:
  %spins = phi i64 [ 0, %own ], [ %spins.next, %rest ], [ %spins, %yield ]
  %done = load atomic i64, ptr %finished seq_cst, align 8
  %all = icmp eq i64 %done, %parts
  br i1 %all, label %end, label %wait
wait:
  %short = icmp ult i64 %spins, $spins
  br i1 %short, label %rest, label %yield
rest:
  $pause
  %spins.next = add i64 %spins, 1
  br label %look
yield:                                       ; a worker that another program keeps from running: give it our processor
  %yielded = call i64 (i64, ...) %syscall(i64 $yield)
  br label %look
end:
  store atomic i64 0, ptr %busy seq_cst, align 8
  ret void
part:
  %k = phi i64 [ 0, %start ], [ %k.next, %part ]
  call void %function(ptr %arguments, i64 %k, i64 %parts)
  %k.next = add i64 %k, 1
  %more = icmp ult i64 %k.next, %parts
  br i1 %more, label %part, label %back
back:
  ret void
}
