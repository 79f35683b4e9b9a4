/* The front end: one process heap behind malloc's names, and a thread heap for each thread.
 *
 * 1. Purpose. The core takes heap and thread heap as arguments; C's malloc has neither. This file
 *    keeps the process heap, and finds the calling thread's thread heap: one load of a thread-local
 *    pointer, and one branch.
 * 2. States of a thread.
 *
 *        NEW --first call--> OWN --key's destructor--> LAST_ROUND --again--> SHARING
 *         \--- no thread heap, or no way to learn of the thread's end ---------^
 *
 *    OWN: ash_front_mine is its thread heap. The destructor of a pthread key gives it back when the
 *    thread ends. Destructors of other keys may come later and free what they hold, so the first
 *    call of ours only asks to be called again, in the next round.
 *    SHARING: the thread takes turns with all such threads on one thread heap, under a lock: at the
 *    very end of its life (libc frees a thread's own state after the last destructor), and all its
 *    life when it could not be given a thread heap that would be given back. A thread heap for each
 *    of those would be lost for good.
 * 3. Start. The first call may come from the dynamic linker, before any constructor, ours included:
 *    there is nothing to construct. Making the process heap calls nothing that allocates. What may
 *    allocate (pthread_setspecific for a key above 31, pthread_atfork after 48 others) comes when
 *    the thread has its thread heap, so that the call inside is an ordinary one. There is no end:
 *    calls after the exit handlers find everything as it was.
 * 4. Fork. The handlers are registered with the first allocation, before those of anybody else, so
 *    that they run last before the fork and first after it: nobody else's handler runs while they
 *    hold the heap's locks. The child's thread keeps its thread heap, the core takes the others
 *    back (heap/fork.c); the shared one is among those. A signal handler may fork within a turn on
 *    the shared thread heap, which goes on in parent and child when the handler returns: the lock
 *    is left alone then, and the shared thread heap counts as the thread's own.
 *    vfork and posix_spawn call no handlers and need none: the child runs on its parent's memory,
 *    while the parent's thread waits.
 * 5. Locks. start_lock (making the process heap) and shared_lock (the shared thread heap): neither
 *    is taken while the other is held, and both come before the core's.
 * 6. Counted operations. With the option verify_every no thread has an ash_front_mine: every
 *    operation comes through enter and leave, where it is counted. Without it, counting costs
 *    nothing.
 * 7. How it fails. Without memory for a heap every call answers as C says for no memory, and the
 *    next one tries again. */
#include "front/front.h"

#include "front/options.h"
#include "front/reports.h"
#include "front/space.h"
#include "front/verify.h"
#include "os/lock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum thread_state { THREAD_NEW = 0, THREAD_OWN, THREAD_LAST_ROUND, THREAD_SHARING };

_Thread_local struct ashlar_thread_heap *ash_front_mine;
static _Thread_local enum thread_state thread_state __attribute__((tls_model("initial-exec")));
/* The thread heap of an OWN thread; ash_front_mine is the same unless operations are counted. */
static _Thread_local struct ashlar_thread_heap *own __attribute__((tls_model("initial-exec")));
static _Thread_local uint64_t operations __attribute__((tls_model("initial-exec")));

static struct {
    _Atomic(struct ashlar_heap *) heap;
    struct ash_lock start_lock;
    struct ash_lock shared_lock;
    struct ashlar_thread_heap *shared; /* under shared_lock; NULL until needed */
    pthread_key_t key;
    bool has_key; /* both written before heap is */
    bool has_options;
    _Atomic bool has_fork_handlers;
    uint32_t fork_took; /* forks under way, a bit each: did it take shared_lock? */
} front;

/* The key's destructor: the thread ends. */
static void thread_end(void *th) {
    if (thread_state == THREAD_OWN) {
        thread_state = THREAD_LAST_ROUND;
        if (pthread_setspecific(front.key, th) == 0) return;
    }
    thread_state = THREAD_SHARING;
    ash_front_mine = own = NULL;
    ashlar_thread_heap_release(th);
}

/* Under start_lock. Called again when there was no memory for a heap. */
static struct ashlar_heap *front_make(void) {
    if (!front.has_options) ash_options_read();
    front.has_options = true;
    struct ashlar_heap_options options;
    ash_options_for_heap(&options);
    options.on_misuse = ash_report_misuse;
    return ash_front_make_heap(&options);
}

static ASH_COLD struct ashlar_heap *front_start(void) {
    ash_lock_take(&front.start_lock);
    struct ashlar_heap *heap = atomic_load_explicit(&front.heap, memory_order_relaxed);
    if (heap == NULL && (heap = front_make()) != NULL) {
        ash_verify_start();
        front.has_key = pthread_key_create(&front.key, thread_end) == 0;
        /* release: who sees the heap sees the key */
        atomic_store_explicit(&front.heap, heap, memory_order_release);
    }
    ash_lock_give(&front.start_lock);
    return heap;
}

struct ashlar_heap *ash_front_heap(void) {
    struct ashlar_heap *heap = atomic_load_explicit(&front.heap, memory_order_acquire);
    return ASH_LIKELY(heap != NULL) ? heap : front_start();
}

/* The thread heap that the calling thread goes on with: its own, or the shared one when the fork
 * interrupted its turn. */
static struct ashlar_thread_heap *fork_mine(void) {
    return (front.fork_took & 1) != 0 ? own : front.shared;
}

static void fork_prepare(void) {
    bool within = ash_lock_mine(&front.shared_lock);
    if (!within) ash_lock_take(&front.shared_lock);
    front.fork_took = front.fork_took << 1 | !within;
    ashlar_heap_fork_prepare(ash_front_heap(), fork_mine());
}

static void fork_done(void) {
    bool took = (front.fork_took & 1) != 0;
    front.fork_took >>= 1;
    if (took) ash_lock_give(&front.shared_lock);
}

static void fork_parent(void) {
    ashlar_heap_fork_parent(ash_front_heap(), fork_mine());
    fork_done();
}

static void fork_child(void) {
    ashlar_heap_fork_child(ash_front_heap(), fork_mine());
    if (fork_mine() != front.shared) front.shared = NULL; /* the core has it back */
    fork_done();
}

/* Tried again by the next new thread when there is no memory for it. */
static void fork_handlers(void) {
    if (atomic_exchange_explicit(&front.has_fork_handlers, true, memory_order_relaxed)) return;
    if (pthread_atfork(fork_prepare, fork_parent, fork_child) != 0)
        atomic_store_explicit(&front.has_fork_handlers, false, memory_order_relaxed);
}

/* A NEW thread gets its own thread heap, or becomes a SHARING one. */
static ASH_COLD void thread_start(struct ashlar_heap *heap) {
    struct ashlar_thread_heap *th = NULL;
    thread_state = THREAD_SHARING;
    if (!front.has_key || ashlar_thread_heap_acquire(heap, &th) != ASHLAR_OK) return;
    thread_state = THREAD_OWN;
    own = th; /* first: what follows may allocate */
    if (ash_option(ASH_OPTION_VERIFY_EVERY) == 0) ash_front_mine = th;
    if (pthread_setspecific(front.key, th) == 0) return;
    thread_state = THREAD_SHARING;
    ash_front_mine = own = NULL;
    ashlar_thread_heap_release(th);
}

struct ashlar_thread_heap *ash_front_thread(void) {
    if (ASH_UNLIKELY(thread_state == THREAD_NEW)) {
        int kept = errno;
        struct ashlar_heap *heap = ash_front_heap();
        if (heap != NULL) {
            thread_start(heap);
            fork_handlers();
        }
        errno = kept;
    }
    return own;
}

struct ashlar_thread_heap *ash_front_own(void) {
    return own;
}

static struct ashlar_thread_heap *shared_take(void) {
    struct ashlar_heap *heap = ash_front_heap();
    if (heap == NULL) return NULL;
    ash_lock_take(&front.shared_lock);
    if (front.shared == NULL) ashlar_thread_heap_acquire(heap, &front.shared);
    struct ashlar_thread_heap *th = front.shared;
    if (th == NULL) ash_lock_give(&front.shared_lock);
    return th;
}

ASH_COLD struct ashlar_thread_heap *ash_front_enter_slow(void) {
    struct ashlar_thread_heap *th = ash_front_thread();
    return th != NULL ? th : shared_take();
}

ASH_COLD void ash_front_leave_slow(struct ashlar_thread_heap *th) {
    if (th != NULL && th != own) ash_lock_give(&front.shared_lock);
    uint64_t every = ash_option(ASH_OPTION_VERIFY_EVERY);
    if (every != 0 && ++operations % every == 0) ash_verify(ASH_VERIFY_COUNTED, NULL);
}
