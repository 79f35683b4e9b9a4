/* Targets whose logical threads are OS threads.
 *
 * 1. Purpose. Allocators keep caches for each OS thread. Where one OS thread plays all logical
 *    ones, a trace never reaches what lies between caches: blocks that another thread frees than
 *    the one that got them, and what becomes of a cache when its thread ends. Here each logical
 *    thread has an OS thread of its own, which operations are handed to.
 * 2. Order. Whoever hands an operation over waits for its end, so one thread runs at a time, the
 *    order of the trace is the order of events, and a replay is as exact as with one thread. What
 *    truly runs at once is not for traces.
 * 3. Life. A thread begins with its first operation. The trace's thread-exit ends it, and with it
 *    the destructors of its thread-local storage have run; its next operation begins a new one. All
 *    have ended when the instance is destroyed, so that a harness may fork between inputs.
 * 4. Memory order. The two semaphores of a thread order everything; nothing here is atomic besides.
 * 5. Signals. Timers of engines are for the thread that calls; these threads take only the signals
 *    that are raised by what they do themselves.
 * 6. Failure. When the system gives no thread, the caller performs the operation itself, which an
 *    allocator has to stand as well.
 * 7. One at a time in a process: the functions of a target know their instance, not their target.
 */
#include <ashlar/target.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

enum { THREADS = 256 };

/* An operation on its way: arguments, and what came of it. */
struct call {
    void (*perform)(struct call *call);
    void *instance;
    void *block;
    size_t alignment; /* or a count */
    size_t bytes;
    uint32_t thread;
    int error; /* errno, before and after */
};

struct worker {
    pthread_t id;
    sem_t go, done;
    struct call *call; /* NULL: it shall end */
    bool alive;
};

static struct {
    const struct ashlar_target *inner;
    struct ashlar_target target;
    struct worker workers[THREADS];
} crew;

static void await(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0) {
    }
}

static void *live(void *context) {
    struct worker *worker = context;
    for (;;) {
        await(&worker->go);
        struct call *call = worker->call;
        if (call == NULL) return NULL;
        errno = call->error;
        call->perform(call);
        call->error = errno;
        sem_post(&worker->done);
    }
}

/* False: the system gives none. */
static bool begin(struct worker *worker) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigset_t others, before;
    if (worker->alive) return true;
    sem_init(&worker->go, 0, 0);
    sem_init(&worker->done, 0, 0);
    sigfillset(&others);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&others, own[i]);
    pthread_sigmask(SIG_BLOCK, &others, &before);
    worker->alive = pthread_create(&worker->id, NULL, live, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return worker->alive;
}

static void end(struct worker *worker) {
    if (!worker->alive) return;
    worker->call = NULL;
    sem_post(&worker->go);
    pthread_join(worker->id, NULL);
    sem_destroy(&worker->go);
    sem_destroy(&worker->done);
    worker->alive = false;
}

static void hand_over(struct call *call) {
    struct worker *worker = &crew.workers[call->thread % THREADS];
    call->error = errno;
    if (begin(worker)) {
        worker->call = call;
        sem_post(&worker->go);
        await(&worker->done);
        errno = call->error;
    } else {
        errno = call->error;
        call->perform(call);
    }
}

static void end_all(void) {
    for (uint32_t i = 0; i < THREADS; i++) end(&crew.workers[i]);
}

static enum ashlar_status threads_create(const struct ashlar_target *target,
                                         const struct ashlar_target_config *config,
                                         void **instance) {
    (void)target;
    return crew.inner->create(crew.inner, config, instance);
}

static void threads_destroy(void *instance) {
    end_all();
    crew.inner->destroy(instance);
}

static void perform_malloc(struct call *call) {
    call->block = crew.inner->malloc(call->instance, call->thread, call->bytes);
}

static void *threads_malloc(void *instance, uint32_t thread, size_t bytes) {
    struct call call = {perform_malloc, instance, .thread = thread, .bytes = bytes};
    hand_over(&call);
    return call.block;
}

static void perform_calloc(struct call *call) {
    call->block = crew.inner->calloc(call->instance, call->thread, call->alignment, call->bytes);
}

static void *threads_calloc(void *instance, uint32_t thread, size_t count, size_t bytes) {
    struct call call = {perform_calloc, instance, NULL, count, bytes, thread, 0};
    hand_over(&call);
    return call.block;
}

static void perform_realloc(struct call *call) {
    call->block = crew.inner->realloc(call->instance, call->thread, call->block, call->bytes);
}

static void *threads_realloc(void *instance, uint32_t thread, void *block, size_t bytes) {
    struct call call = {perform_realloc, instance, block, 0, bytes, thread, 0};
    hand_over(&call);
    return call.block;
}

static void perform_aligned_alloc(struct call *call) {
    call->block =
        crew.inner->aligned_alloc(call->instance, call->thread, call->alignment, call->bytes);
}

static void *threads_aligned_alloc(void *instance, uint32_t thread, size_t alignment,
                                   size_t bytes) {
    struct call call = {perform_aligned_alloc, instance, NULL, alignment, bytes, thread, 0};
    hand_over(&call);
    return call.block;
}

static void perform_free(struct call *call) {
    crew.inner->free(call->instance, call->thread, call->block);
}

static void threads_free(void *instance, uint32_t thread, void *block) {
    struct call call = {perform_free, instance, block, .thread = thread};
    hand_over(&call);
}

static void perform_free_sized(struct call *call) {
    crew.inner->free_sized(call->instance, call->thread, call->block, call->alignment, call->bytes);
}

static void threads_free_sized(void *instance, uint32_t thread, void *block, size_t alignment,
                               size_t bytes) {
    struct call call = {perform_free_sized, instance, block, alignment, bytes, thread, 0};
    hand_over(&call);
}

static void perform_usable_size(struct call *call) {
    call->bytes = crew.inner->usable_size(call->instance, call->thread, call->block);
}

static size_t threads_usable_size(void *instance, uint32_t thread, void *block) {
    struct call call = {perform_usable_size, instance, block, .thread = thread};
    hand_over(&call);
    return call.bytes;
}

static void perform_trim(struct call *call) {
    crew.inner->trim(call->instance, call->thread);
}

static void threads_trim(void *instance, uint32_t thread) {
    struct call call = {perform_trim, instance, .thread = thread};
    hand_over(&call);
}

static void perform_collect(struct call *call) {
    crew.inner->collect(call->instance, call->thread);
}

static void threads_collect(void *instance, uint32_t thread) {
    struct call call = {perform_collect, instance, .thread = thread};
    hand_over(&call);
}

static void perform_thread_exit(struct call *call) {
    crew.inner->thread_exit(call->instance, call->thread);
}

static void threads_thread_exit(void *instance, uint32_t thread) {
    struct call call = {perform_thread_exit, instance, .thread = thread};
    if (crew.inner->thread_exit != NULL) hand_over(&call);
    end(&crew.workers[thread % THREADS]);
}

const struct ashlar_target *ashlar_target_on_threads(const struct ashlar_target *inner) {
    struct ashlar_target *target = &crew.target;
    if (inner->heap != NULL) return NULL;
    end_all();
    crew.inner = inner;
    *target = *inner;
    target->create = threads_create;
    target->destroy = threads_destroy;
    target->malloc = threads_malloc;
    target->calloc = threads_calloc;
    target->free = threads_free;
    target->thread_exit = threads_thread_exit;
    if (inner->realloc != NULL) target->realloc = threads_realloc;
    if (inner->aligned_alloc != NULL) target->aligned_alloc = threads_aligned_alloc;
    if (inner->free_sized != NULL) target->free_sized = threads_free_sized;
    if (inner->usable_size != NULL) target->usable_size = threads_usable_size;
    if (inner->trim != NULL) target->trim = threads_trim;
    if (inner->collect != NULL) target->collect = threads_collect;
    return target;
}
