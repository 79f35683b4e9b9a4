/* The pool of thread heaps: src/heap/threads.c, and step F5 of src/heap/remote.c.
 *
 * One thread heap, whose thread ends; another thread takes it over, uses it and sleeps. Two threads
 * free a block each into its slabs, and so push a slab on its pending stack. README.md says what is
 * left out.
 *
 * BREAK plants an error, which the search has to find:
 *   1  the thread that ends collects for the last time before it says that it is pooled
 *   2  who frees asks whether the owner is pooled before it pushes
 *   3  who frees into a pooled thread heap collects for it without the lock
 *   4  the lock is free before an acquired thread heap says that it is active
 */
#ifndef BREAK
#define BREAK 0
#endif

bit locked;  /* the pool's lock */
bit listed;  /* the thread heap is in the pool's list */
bit pooled;  /* its state */
byte pending;
byte running; /* threads that run on it as its owner */
byte done;

inline lock() {
    atomic { !locked -> locked = 1 }
}
inline unlock() {
    locked = 0
}
inline collect() {
    d_step { running++; assert(running == 1) };
    pending = 0; /* an exchange */
    running--
}

/* ashlar_thread_heap_release */
proctype ends() {
    lock();
    collect();
    if
    :: BREAK == 1 -> collect()
    :: else -> skip
    fi;
    pooled = 1;
    if
    :: BREAK != 1 -> collect()
    :: else -> skip
    fi;
    listed = 1;
    unlock();
    done++
}

/* ashlar_thread_heap_acquire, and a slow path of its new owner */
proctype begins() {
    lock();
    if
    :: listed ->
        listed = 0;
        if
        :: BREAK != 4 -> pooled = 0; unlock()
        :: else -> unlock(); collect(); pooled = 0
        fi;
        collect()
    :: else -> unlock() /* makes another one */
    fi;
    done++
}

proctype frees() {
    bit early = pooled;
    pending++; /* F4 */
    if
    :: (BREAK == 2 -> early : pooled) -> /* F5 */
        if
        :: BREAK != 3 ->
            lock();
            if
            :: pooled -> collect()
            :: else -> skip
            fi;
            unlock()
        :: else ->
            if
            :: pooled -> collect()
            :: else -> skip
            fi
        fi
    :: else -> skip
    fi;
    done++
}

init {
    atomic { run ends(); run begins(); run frees(); run frees() }
    /* Nothing is pending in the pool: nobody may come to collect it. */
    done == 4;
    assert(!pooled || pending == 0);
    assert(pooled == listed)
}
