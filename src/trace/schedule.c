/* The scheduler of logical threads.
 *
 * 1. Purpose. One OS thread plays N logical ones, each on a fiber of its own. They change places at
 *    yield points (base/yield.h) only, and only when they are told to: so every interleaving of the
 *    steps between those points can be played, and played again exactly.
 * 2. States of a logical thread. IDLE: between tasks. UNDER WAY: in the middle of one, at a yield
 *    point; perhaps one where it waits for a lock. At most one runs, within ash_schedule_run.
 * 3. Locks. A thread that finds a lock taken stops there, as at the end of its points. It is not
 *    woken: it looks again when it is run again. Who runs a thread that still waits gains nothing,
 *    so callers ask ash_schedule_waits first, and find deadlocks that way.
 * 4. What is explored. All threads share the one processor's view of memory: interleavings are
 *    sequentially consistent.
 * 5. Memory. One mapping with its stacks, kept for the next replay. A process has one at work at a
 *    time, since the core finds it through one variable; that is set while a task runs and only
 *    then, so whatever else is done with the core, between and beside, is as ever.
 * 6. errno belongs to the logical thread. */
#include "trace/schedule.h"

#include "os/fiber.h"

#include <ashlar/os.h>
#include <errno.h>

enum state { IDLE = 0, UNDER_WAY };

struct thread {
    struct ash_fiber fiber;
    struct ash_schedule *schedule;
    const _Atomic uint32_t *awaited; /* NULL: none */
    uint32_t number;
    int error;
    uint8_t state; /* enum state */
    uint8_t point; /* enum ash_point: where it stands */
    bool begun;    /* its fiber is in the loop of this schedule */
};

struct ash_schedule {
    struct ash_scheduler scheduler; /* the core's view; first, see running() */
    ash_task *task;
    void *context;
    uint64_t points; /* left to the running thread */
    uint32_t count;  /* threads under way */
    uint32_t used;   /* threads [0, used) have been run */
    struct thread threads[ASH_SCHEDULE_THREADS];
};

uint8_t *ash_schedule_pairs;

static _Atomic(struct ash_schedule *) kept;

static struct thread *running(void) {
    struct ash_schedule *schedule = (struct ash_schedule *)(void *)ash_scheduler;
    return &schedule->threads[ash_scheduler->thread];
}

/* Stops the running thread until it is run again. */
static void stop(struct thread *thread) {
    thread->error = errno;
    ash_fiber_leave(&thread->fiber);
    errno = thread->error;
}

static void count_pairs(const struct ash_schedule *schedule, const struct thread *thread) {
    for (uint32_t i = 0; i < schedule->used; i++) {
        const struct thread *other = &schedule->threads[i];
        if (other == thread || other->state != UNDER_WAY) continue;
        uint8_t *pair = &ash_schedule_pairs[other->point * ASH_POINT_COUNT + thread->point];
        if (*pair < UINT8_MAX) ++*pair;
    }
}

static void pass(enum ash_point point) {
    struct thread *thread = running();
    struct ash_schedule *schedule = thread->schedule;
    thread->point = (uint8_t)point;
    if (ash_schedule_pairs != NULL && schedule->count > 1) count_pairs(schedule, thread);
    if (schedule->points != ASH_TO_THE_END && --schedule->points == 0) stop(thread);
}

static void await(const _Atomic uint32_t *state) {
    struct thread *thread = running();
    thread->awaited = state;
    while (atomic_load_explicit(state, memory_order_relaxed) != 0) stop(thread);
    thread->awaited = NULL;
}

/* The life of a fiber. */
static void live(void *context) {
    struct thread *thread = context;
    struct ash_schedule *schedule = thread->schedule;
    for (;;) {
        schedule->task(schedule->context, thread->number);
        thread->state = IDLE;
        schedule->count--;
        stop(thread);
    }
}

static size_t mapping_bytes(void) {
    const struct ashlar_os *os = ashlar_os_linux();
    return (size_t)ash_round_up(sizeof(struct ash_schedule), os->page_bytes(os->context));
}

static struct ash_schedule *map_schedule(void) {
    const struct ashlar_os *os = ashlar_os_linux();
    size_t bytes = mapping_bytes();
    void *start = os->reserve(os->context, bytes, os->page_bytes(os->context));
    if (start == NULL || os->commit(os->context, start, bytes)) return start;
    os->release(os->context, start, bytes);
    return NULL;
}

static void unmap_schedule(struct ash_schedule *schedule) {
    const struct ashlar_os *os = ashlar_os_linux();
    for (uint32_t i = 0; i < ASH_SCHEDULE_THREADS; i++)
        ash_fiber_close(&schedule->threads[i].fiber);
    os->release(os->context, schedule, mapping_bytes());
}

struct ash_schedule *ash_schedule_open(ash_task *task, void *context) {
    if (!ash_core_yields) return NULL;
    struct ash_schedule *schedule = atomic_exchange(&kept, NULL);
    if (schedule == NULL) schedule = map_schedule();
    if (schedule == NULL) return NULL;
    schedule->scheduler = (struct ash_scheduler){.pass = pass, .wait = await};
    schedule->task = task;
    schedule->context = context;
    schedule->count = schedule->used = 0;
    for (uint32_t i = 0; i < ASH_SCHEDULE_THREADS; i++) {
        struct thread *thread = &schedule->threads[i];
        if (thread->schedule == NULL) break; /* no replay has used it or those behind it */
        thread->begun = false;
        thread->state = IDLE;
    }
    return schedule;
}

void ash_schedule_close(struct ash_schedule *schedule) {
    schedule = atomic_exchange(&kept, schedule);
    if (schedule != NULL) unmap_schedule(schedule);
}

/* Makes threads up to `number` known. */
static void use(struct ash_schedule *schedule, uint32_t number) {
    for (; schedule->used <= number; schedule->used++) {
        struct thread *thread = &schedule->threads[schedule->used];
        thread->schedule = schedule;
        thread->number = schedule->used;
    }
}

bool ash_schedule_run(struct ash_schedule *schedule, uint32_t number, uint64_t points) {
    ASH_ASSERT(number < ASH_SCHEDULE_THREADS && points > 0);
    struct thread *thread = &schedule->threads[number];
    use(schedule, number);
    if (!thread->begun && !ash_fiber_prepare(&thread->fiber, live, thread)) return false;
    thread->begun = true;
    if (thread->state == IDLE) {
        thread->state = UNDER_WAY;
        thread->point = ASH_POINT_START;
        thread->awaited = NULL;
        schedule->count++;
    }
    schedule->points = points;
    schedule->scheduler.thread = number;
    int error = errno;
    ash_scheduler = &schedule->scheduler;
    ash_fiber_enter(&thread->fiber);
    ash_scheduler = NULL;
    errno = error;
    return thread->state == IDLE;
}

bool ash_schedule_under_way(const struct ash_schedule *schedule, uint32_t number) {
    return number < schedule->used && schedule->threads[number].state == UNDER_WAY;
}

bool ash_schedule_waits(const struct ash_schedule *schedule, uint32_t number) {
    const _Atomic uint32_t *awaited = schedule->threads[number].awaited;
    return awaited != NULL && atomic_load_explicit(awaited, memory_order_relaxed) != 0;
}

uint32_t ash_schedule_count(const struct ash_schedule *schedule) {
    return schedule->count;
}
