/* The front end: one process heap behind malloc's names, and a thread heap for each thread.
 *
 * 1. Purpose. The core takes heap and thread heap as arguments; C's malloc has neither. This file
 *    keeps the process heap, and finds the calling thread's thread heap: one load of a thread-local
 *    pointer, and one branch.
 * 2. States of a thread.
 *
 *        NEW --first call--> OWN --key's destructor--> OWN, last round --again--> SHARING
 *         \------- no thread heap, or no way to learn of the thread's end ----------^
 *
 *    OWN: ash_front_mine is its thread heap. The destructor of a pthread key gives it back when the
 *    thread ends. Destructors of other keys may come later and free what they hold, so the first
 *    call of ours only asks to be called again, in the next round.
 *    SHARING: the thread allocates from one thread heap that all such threads share, under a lock:
 *    at the end of its life (libc frees a thread's own state after the last destructor), and all
 *    its life when it could not be given a thread heap that would be given back. A thread heap for
 *    each of those would be lost for good.
 * 3. Start. The first call may come from the dynamic linker, before any constructor, ours included:
 *    there is nothing to construct. Making the process heap calls nothing that allocates. What may
 *    allocate (pthread_setspecific for a key above 31, pthread_atfork after 48 others) comes when
 *    the thread has its thread heap, so that the call inside is an ordinary one.
 * 4. Locks. start_lock (making the process heap), shared_lock (the shared thread heap): neither is
 *    taken while the other is held, and both come before those of the core.
 * 5. How it fails. Without memory for a heap every call answers as C says for no memory, and the
 *    next one tries again. */
#include "front/front.h"

#include "os/lock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum thread_state { THREAD_NEW = 0, THREAD_OWN, THREAD_LAST_ROUND, THREAD_SHARING };

_Thread_local struct ashlar_thread_heap *ash_front_mine;
static _Thread_local enum thread_state thread_state __attribute__((tls_model("initial-exec")));

static struct {
    _Atomic(struct ashlar_heap *) heap;
    struct ash_lock start_lock;
    struct ash_lock shared_lock;
    struct ashlar_thread_heap *shared; /* under shared_lock; NULL until needed */
    pthread_key_t key;
    bool has_key; /* written before heap is */
} front;

/* The key's destructor: the thread ends. */
static void thread_end(void *th) {
    if (thread_state == THREAD_OWN) {
        thread_state = THREAD_LAST_ROUND;
        if (pthread_setspecific(front.key, th) == 0) return;
    }
    thread_state = THREAD_SHARING;
    ash_front_mine = NULL;
    ashlar_thread_heap_release(th);
}

static ASH_COLD struct ashlar_heap *front_start(void) {
    ash_lock_take(&front.start_lock);
    struct ashlar_heap *heap = atomic_load_explicit(&front.heap, memory_order_relaxed);
    if (heap == NULL && ashlar_heap_create(NULL, &heap) == ASHLAR_OK) {
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

/* A NEW thread gets its own thread heap, or becomes a SHARING one. */
static ASH_COLD void thread_start(struct ashlar_heap *heap) {
    struct ashlar_thread_heap *th = NULL;
    thread_state = THREAD_SHARING;
    if (!front.has_key || ashlar_thread_heap_acquire(heap, &th) != ASHLAR_OK) return;
    thread_state = THREAD_OWN;
    ash_front_mine = th; /* first: what follows may allocate */
    if (pthread_setspecific(front.key, th) == 0) return;
    thread_state = THREAD_SHARING;
    ash_front_mine = NULL;
    ashlar_thread_heap_release(th);
}

struct ashlar_thread_heap *ash_front_thread(void) {
    if (ASH_UNLIKELY(thread_state == THREAD_NEW)) {
        int kept = errno;
        struct ashlar_heap *heap = ash_front_heap();
        if (heap != NULL) thread_start(heap);
        errno = kept;
    }
    return ash_front_mine;
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
    if (th != NULL) ash_lock_give(&front.shared_lock);
}
