/* Fork. One thread plays the parent's threads and tears what they left by hand, as a copy of the
 * memory in the middle of their work would; then real forks beside real threads, and forks from a
 * signal handler that interrupted the heap. */
#include "heap/fork.h"
#include "heap/remote.h"
#include "heap/visit.h"

#include "../os/last_words.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 600, MORE = 640, TEARS = 60, OTHERS_MARK = 0x7f0 };

static void fork_prepare(struct site *site) {
    ashlar_heap_fork_prepare(site->public_heap, site->th);
}
static void fork_child(struct site *site) {
    ashlar_heap_fork_child(site->public_heap, site->th);
}

static void expect_free_locks(const struct site *site) {
    assert_int_equal(atomic_load(&site->heap->lock.state), 0);
    assert_int_equal(atomic_load(&site->heap->pool_lock.state), 0);
}

static void a_parent_gets_its_locks_back(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *block = ashlar_malloc(site.threads[1], 100);
    fork_prepare(&site);
    assert_true(ash_lock_mine(&site.heap->lock) && ash_lock_mine(&site.heap->pool_lock));
    fork_prepare(&site); /* a handler forks within */
    ashlar_heap_fork_parent(site.public_heap, site.th);
    assert_true(ash_lock_mine(&site.heap->lock) && ash_lock_mine(&site.heap->pool_lock));
    ashlar_heap_fork_parent(site.public_heap, site.th);
    expect_free_locks(&site);
    expect_sound(&site);
    assert_int_equal(site_stats(&site).thread_heaps, 2);
    ashlar_free(site.threads[1], block);
    site_close(&site);
}

static void a_child_of_one_thread_is_as_it_was(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *block = ashlar_malloc(site.th, 100), *other = ashlar_malloc(site.threads[1], 100);
    ashlar_thread_heap_release(site.threads[1]);
    ashlar_free(site.th, span_pages(&site, 3));
    struct ash_page kept = *page_of(&site, other);
    fork_prepare(&site);
    fork_child(&site);
    expect_free_locks(&site);
    assert_int_equal(ash_th_of(site.th)->kept_spans, 1);
    assert_memory_equal(page_of(&site, other), &kept, sizeof kept);
    expect_sound(&site);
    ashlar_free(site.th, other);
    ashlar_free(site.th, block);
    site_close(&site);
}

static void thread_heaps_of_gone_threads_are_used_again(void **state) {
    (void)state;
    struct site site;
    void *blocks[SITE_THREADS][100];
    site_open(&site, 64 * MIB, SITE_THREADS);
    for (unsigned i = 0; i < SITE_THREADS; i++)
        for (unsigned j = 0; j < 100; j++) blocks[i][j] = ashlar_malloc(site.threads[i], 200);
    fork_prepare(&site);
    fork_child(&site);
    expect_sound(&site);
    assert_int_equal(site_stats(&site).thread_heaps, 1);
    assert_int_equal(site_stats(&site).live_blocks, SITE_THREADS * 100);
    struct ashlar_thread_heap *heir;
    assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &heir), ASHLAR_OK);
    assert_true(heir != site.th);
    for (unsigned i = 0; i < SITE_THREADS; i++)
        for (unsigned j = 0; j < 100; j++) ashlar_free(heir, blocks[i][j]);
    ashlar_thread_heap_collect(site.th);
    ashlar_thread_heap_release(heir);
    assert_int_equal(site_stats(&site).live_blocks, 0);
    assert_int_equal(site.heap->root.counts.slabs, 1); /* the survivor's current one */
    site_close(&site);
}

/* What a gone thread's slabs had touched is known, also where nothing is live any more. */
static void windows_that_were_opened_stay_so(void **state) {
    (void)state;
    struct site site;
    void *blocks[3 * ASH_WINDOW_BLOCKS];
    site_open(&site, 64 * MIB, 2);
    for (unsigned i = 0; i < 3 * ASH_WINDOW_BLOCKS; i++)
        blocks[i] = ashlar_malloc(site.threads[1], 16);
    for (unsigned i = ASH_WINDOW_BLOCKS; i < 3 * ASH_WINDOW_BLOCKS; i++)
        ashlar_free(site.threads[1], blocks[i]);
    assert_int_equal(page_of(&site, blocks[0])->opened_windows, 3);
    fork_prepare(&site);
    fork_child(&site);
    assert_int_equal(page_of(&site, blocks[0])->opened_windows, 3);
    site_close(&site);
}

/* A child without a thread heap of its own. */
static void a_thread_without_a_thread_heap_may_fork(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    ashlar_malloc(site.threads[1], 100);
    ashlar_heap_fork_prepare(site.public_heap, NULL);
    ashlar_heap_fork_child(site.public_heap, NULL);
    expect_sound(&site);
    assert_int_equal(site_stats(&site).thread_heaps, 0);
    assert_int_equal(site_stats(&site).live_blocks, 1);
    site_close(&site);
}

/* Random work by all thread heaps, remote frees and pending ones included. */
static void work(struct site *site, void **blocks, unsigned steps) {
    static const size_t sizes[] = {16, 48, 100, 1000, 5000, 30000};
    for (unsigned step = 0; step < steps; step++) {
        struct ashlar_thread_heap *th = site->threads[site_random(site, SITE_THREADS)];
        void **place = &blocks[site_random(site, BLOCKS)];
        if (*place != NULL) ashlar_free(th, *place);
        *place = site_random(site, 5) == 0 ? NULL : ashlar_malloc(th, sizes[site_random(site, 6)]);
    }
}

/* What a gone thread was changing without a lock: the copy may hold anything there. */
static void tear_owner(struct site *site, struct ash_thread_heap *th) {
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        struct ash_bin *bin = &th->bins[i];
        bin->candidates = site_random(site, UINT64_MAX);
        bin->queue_head = (uint32_t)site_random(site, 9);
        bin->queue_tail = (uint32_t)site_random(site, 9);
        bin->slab = (uint32_t)site_random(site, 9);
        bin->debt = (int32_t)site_random(site, 99);
        if (site_random(site, 2) == 0) bin->word = NULL;
    }
    atomic_store(&th->pending, (uint32_t)site_random(site, 9));
    atomic_store(&th->transition, (uint8_t)site_random(site, ASH_REMOTE));
}

static void tear_owned(struct site *site, struct ash_page *head, _Atomic uint64_t *remote) {
    unsigned windows = ash_window_count(head->block_count);
    head->summary = site_random(site, UINT64_MAX);
    head->next = (uint32_t)site_random(site, 9);
    head->previous = (uint32_t)site_random(site, 9);
    head->place = (uint8_t)site_random(site, 3);
    head->opened_windows = (uint8_t)site_random(site, head->opened_windows + 1);
    unsigned window = (unsigned)site_random(site, windows); /* merged, and not yet cleared */
    if (site_random(site, 2) == 0) head->words[window] |= atomic_load(&remote[window]);
}

/* What a visitor was changing in the survivor's: queues, and slabs that are not current. */
static void tear_visited(struct site *site, struct ash_page *head, _Atomic uint64_t *remote) {
    struct ash_bin *bin = &ash_th_of(site->th)->bins[head->class_index];
    bin->queue_head = (uint32_t)site_random(site, 9);
    bin->queue_tail = (uint32_t)site_random(site, 9);
    if (head->place == ASH_SLAB_CURRENT) return;
    head->next = (uint32_t)site_random(site, 9);
    head->previous = (uint32_t)site_random(site, 9);
    head->place = (uint8_t)site_random(site, 2);
    if (site_random(site, 2) != 0) return;
    for (unsigned window = 0; window < ash_window_count(head->block_count); window++) {
        head->words[window] |= atomic_load(&remote[window]);
        if (site_random(site, 2) == 0) atomic_store(&remote[window], 0);
    }
}

static void tear(struct site *site) {
    uint64_t committed = site->heap->root.counts.committed;
    for (unsigned i = 1; i < SITE_THREADS; i++) tear_owner(site, ash_th_of(site->threads[i]));
    for (uint64_t page = 0; page < committed; page++) {
        struct ash_page *head = ash_page_at(site->heap, page);
        if (head->kind != ASH_PAGE_SLAB) continue;
        _Atomic uint64_t *remote = ash_remote_words(site->heap, page);
        if (atomic_load(&head->owner) != ash_th_of(site->th))
            tear_owned(site, head, remote);
        else
            tear_visited(site, head, remote);
        /* between F2 and F3, or between F3 and F4 */
        if (site_random(site, 2) == 0) atomic_store(&head->remote_summary, 0);
        atomic_store(&head->pending_next, (uint32_t)site_random(site, 9));
    }
    if (site_random(site, 2) == 0) atomic_store(&ash_th_of(site->th)->pending, 0);
}

/* Slabs of the survivor's that are not current, some of them entirely free but for the merge. */
static unsigned work_more(struct site *site) {
    void *blocks[MORE];
    unsigned live = 0;
    for (unsigned i = 0; i < MORE; i++) blocks[i] = ashlar_malloc(site->th, 1024);
    for (unsigned i = MORE / 3; i < MORE; i++) {
        if (site_random(site, 3) > 0)
            ashlar_free(site->threads[site_random(site, SITE_THREADS)], blocks[i]);
        else
            live++;
    }
    for (unsigned i = 0; i < MORE / 3; i++)
        ashlar_free(site->threads[1 + site_random(site, SITE_THREADS - 1)], blocks[i]);
    return live;
}

static void whatever_was_torn_is_mended(void **state) {
    (void)state;
    for (unsigned round = 1; round <= TEARS; round++) {
        struct site site;
        void *blocks[BLOCKS] = {0};
        site_open(&site, 64 * MIB, SITE_THREADS);
        site.random = round;
        for (unsigned i = 0; i < PAGE / 1024; i++) ashlar_malloc(site.threads[2], 1024); /* full */
        ashlar_malloc(site.threads[2], 1024);
        work(&site, blocks, 4 * BLOCKS);
        uint64_t lost = work_more(&site) + PAGE / 1024 + 1;
        if (round % 3 == 0) ashlar_thread_heap_release(site.threads[3]);
        uint64_t live = site_stats(&site).live_blocks;
        fork_prepare(&site);
        tear(&site);
        if (round % 3 == 0) atomic_store(&ash_th_of(site.threads[3])->transition, ASH_QUIET);
        fork_child(&site);
        expect_sound(&site);
        assert_int_equal(site_stats(&site).live_blocks, live);
        for (unsigned i = 1; i < SITE_THREADS; i++)
            assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &site.threads[i]),
                             ASHLAR_OK);
        work(&site, blocks, BLOCKS);
        expect_sound(&site);
        for (unsigned i = 0; i < BLOCKS; i++)
            ashlar_free(site.threads[i % SITE_THREADS], blocks[i]);
        for (unsigned i = 0; i < SITE_THREADS; i++) ashlar_thread_heap_release(site.threads[i]);
        assert_int_equal(site_stats(&site).live_blocks, lost); /* which nobody freed */
        site_close(&site);
    }
}

/* Inside the heap. */

static void expect_mended_at_the_next_slow_path(struct site *site) {
    assert_int_equal(atomic_load(&site->heap->fork_left), 1);
    assert_int_equal(atomic_load(&ash_th_of(site->threads[1])->state), ASH_THREAD_DEAD);
    expect_free_locks(site);
    struct ashlar_check_report report;
    const struct ashlar_reader outside = {.view = ashlar_reader_self.view, .quiescent = false};
    assert_int_equal(ashlar_check(&outside, ashlar_heap_root(site->public_heap), ASHLAR_CHECK_FULL,
                                  NULL, NULL, &report),
                     ASHLAR_INCOMPLETE);
    ashlar_free(site->th, ashlar_malloc(site->th, 3000)); /* a class of its own: refills */
    assert_int_equal(atomic_load(&site->heap->fork_left), 0);
    expect_sound(site);
    assert_int_equal(site_stats(site).thread_heaps, 1);
    site_close(site);
}

static void open_two(struct site *site) {
    site_open(site, 64 * MIB, 2);
    ashlar_free(site->th, ashlar_malloc(site->threads[1], 100));
    ashlar_malloc(site->threads[1], 200);
}

static void a_handler_forks_within_a_slow_path(void **state) {
    (void)state;
    struct site site;
    for (unsigned mark = ASH_QUIET + 1; mark < ASH_RUNS; mark++) {
        open_two(&site);
        atomic_store(&ash_th_of(site.th)->transition, (uint8_t)mark);
        fork_prepare(&site);
        fork_child(&site);
        atomic_store(&ash_th_of(site.th)->transition, ASH_QUIET); /* the slow path goes on */
        expect_mended_at_the_next_slow_path(&site);
    }
}

static void a_handler_forks_under_the_heap_s_lock(void **state) {
    (void)state;
    struct site site;
    open_two(&site);
    ash_lock_take(&site.heap->lock);
    fork_prepare(&site);
    assert_true(ash_lock_mine(&site.heap->pool_lock));
    fork_child(&site);
    assert_true(ash_lock_mine(&site.heap->lock));
    ash_fork_mend(site.heap); /* not now */
    ash_visit_answer(ash_th_of(site.th));
    assert_int_equal(atomic_load(&ash_th_of(site.th)->asked), 1); /* but later */
    ash_lock_give(&site.heap->lock);
    expect_mended_at_the_next_slow_path(&site);
}

/* The pool's lock is another thread's, which may wait for ours: it is not waited for. */
static void a_handler_forks_while_the_pool_is_another_s(void **state) {
    (void)state;
    struct site site;
    for (unsigned child = 0; child < 2; child++) {
        open_two(&site);
        ash_lock_take(&site.heap->lock);
        atomic_store(&site.heap->pool_lock.state, OTHERS_MARK);
        fork_prepare(&site);
        assert_int_equal(atomic_load(&site.heap->pool_lock.state), OTHERS_MARK);
        if (child != 0) {
            site.heap->root.pool_head = 2; /* half done */
            site.heap->root.acquired = 7;
            fork_child(&site);
            ash_lock_give(&site.heap->lock);
            expect_mended_at_the_next_slow_path(&site);
        } else {
            ashlar_heap_fork_parent(site.public_heap, site.th);
            assert_int_equal(atomic_load(&site.heap->pool_lock.state), OTHERS_MARK);
            assert_true(ash_lock_mine(&site.heap->lock));
            atomic_store(&site.heap->pool_lock.state, 0);
            ash_lock_give(&site.heap->lock);
            site_close(&site);
        }
    }
}

/* The forking thread is a visitor of the other, which has the pool's lock and waits until the visit
 * is over. */
static void a_visitor_s_handler_forks_while_the_pool_is_another_s(void **state) {
    (void)state;
    struct site site;
    for (unsigned child = 0; child < 2; child++) {
        open_two(&site);
        ash_lock_take(&ash_th_of(site.threads[1])->guest);
        atomic_store(&site.heap->pool_lock.state, OTHERS_MARK);
        fork_prepare(&site);
        assert_int_equal(atomic_load(&site.heap->pool_lock.state), OTHERS_MARK);
        assert_true(ash_lock_mine(&site.heap->lock));
        if (child != 0) {
            fork_child(&site);
            ash_lock_give(&ash_th_of(site.threads[1])->guest);
            expect_mended_at_the_next_slow_path(&site);
        } else {
            ashlar_heap_fork_parent(site.public_heap, site.th);
            assert_int_equal(atomic_load(&site.heap->pool_lock.state), OTHERS_MARK);
            atomic_store(&site.heap->pool_lock.state, 0);
            ash_lock_give(&ash_th_of(site.threads[1])->guest);
            expect_free_locks(&site);
            site_close(&site);
        }
    }
}

/* The other thread was just giving its thread heap back: pooled, and not in the pool yet. */
static void a_pool_that_another_was_changing_is_made_anew(void **state) {
    (void)state;
    struct site site;
    open_two(&site);
    ashlar_thread_heap_release(site.threads[1]);
    ash_lock_take(&site.heap->lock);
    atomic_store(&site.heap->pool_lock.state, OTHERS_MARK);
    site.heap->root.pool_head = 0;
    fork_prepare(&site);
    fork_child(&site);
    ash_lock_give(&site.heap->lock);
    assert_int_equal(atomic_load(&site.heap->fork_left), 1);
    ashlar_free(site.th, ashlar_malloc(site.th, 3000));
    assert_int_equal(site.heap->root.pool_head, 2);
    site_close(&site);
}

/* The thread heap that the forking thread is just getting stays its own. */
static void a_handler_forks_while_its_thread_heap_is_made(void **state) {
    (void)state;
    struct site site;
    open_two(&site);
    ash_lock_take(&site.heap->pool_lock);
    atomic_store(&ash_th_of(site.th)->transition, ASH_POOL);
    ashlar_heap_fork_prepare(site.public_heap, NULL);
    ashlar_heap_fork_child(site.public_heap, NULL);
    assert_true(ash_lock_mine(&site.heap->pool_lock));
    assert_int_equal(atomic_load(&ash_th_of(site.th)->state), ASH_THREAD_ACTIVE);
    ash_fork_mend(site.heap);
    ash_visit_answer(ash_th_of(site.th));
    assert_int_equal(atomic_load(&ash_th_of(site.th)->asked), 1);
    atomic_store(&ash_th_of(site.th)->transition, ASH_QUIET);
    ash_lock_give(&site.heap->pool_lock);
    expect_mended_at_the_next_slow_path(&site);
}

/* Its system's clock forks at the next look. */
static struct {
    struct site *site;
    uint64_t (*now_ms)(void *context);
} clock_fork;

static uint64_t fork_at_a_look(void *context) {
    struct site *site = clock_fork.site;
    site->heap->os.now_ms = clock_fork.now_ms;
    fork_prepare(site);
    fork_child(site);
    return site->heap->os.now_ms(context);
}

/* The thread does what a visitor asked it to, and the slow path that is to mend is that one. */
static void a_handler_forks_while_a_visitor_is_answered(void **state) {
    (void)state;
    struct site site;
    void *blocks[MORE];
    open_two(&site);
    for (unsigned i = 0; i < MORE; i++) blocks[i] = ashlar_malloc(site.th, 1024);
    for (unsigned i = 0; i < MORE; i++) ashlar_free(site.threads[1], blocks[i]);
    clock_fork.site = &site;
    clock_fork.now_ms = site.heap->os.now_ms;
    site.heap->os.now_ms = fork_at_a_look;
    atomic_store(&ash_th_of(site.th)->asked, 1);
    ash_visit_answer(ash_th_of(site.th));
    assert_ptr_equal(site.heap->os.now_ms, clock_fork.now_ms);
    assert_int_equal(atomic_load(&site.heap->fork_left), 0);
    expect_sound(&site);
    assert_int_equal(site_stats(&site).thread_heaps, 1);
    site_close(&site);
}

/* Real threads and real forks. */

enum { WORKERS = 3, FORKS = 40, PLACES = 500, CHILD_STEPS = 2000, CHILD_FAILED = 1 };

struct yard {
    struct ashlar_heap *heap;
    _Atomic(void *) places[PLACES];
    atomic_bool over;
    atomic_uint misuses, started;
};
static struct yard yard;
static struct ashlar_thread_heap *forking; /* of the thread that a handler interrupts */
static atomic_bool in_child;

static void count_misuse(void *context, const struct ashlar_misuse *misuse) {
    (void)context;
    (void)misuse;
    atomic_fetch_add(&yard.misuses, 1);
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void churn(struct ashlar_thread_heap *th, uint64_t *random, unsigned steps) {
    for (unsigned step = 0; step < steps; step++) {
        size_t bytes =
            next_random(random) % 10 == 0 ? 70000 : (size_t)16 << next_random(random) % 9;
        void *block = ashlar_malloc(th, bytes);
        ashlar_free(th, atomic_exchange(&yard.places[next_random(random) % PLACES], block));
    }
}

static void *churn_on(void *argument) {
    uint64_t random = (uintptr_t)argument;
    atomic_fetch_add(&yard.started, 1);
    while (!atomic_load(&yard.over)) {
        struct ashlar_thread_heap *th;
        if (ashlar_thread_heap_acquire(yard.heap, &th) != ASHLAR_OK) return NULL;
        churn(th, &random, 1000);
        ashlar_thread_heap_release(th);
    }
    return NULL;
}

static void start(pthread_t *threads) {
    struct ashlar_heap_options options = {
        .region_bytes = 512 * MIB, .thread_heaps = WORKERS + 2, .on_misuse = count_misuse};
    memset(&yard, 0, sizeof yard);
    assert_int_equal(ashlar_heap_create(&options, &yard.heap), ASHLAR_OK);
    for (uintptr_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn_on, (void *)(i + 1)), 0);
    while (atomic_load(&yard.started) < WORKERS) usleep(100);
}

static void stop(pthread_t *threads) {
    atomic_store(&yard.over, true);
    for (unsigned i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&yard.misuses), 0);
    ashlar_heap_destroy(yard.heap);
}

static bool yard_sound(void) {
    struct ashlar_check_report report;
    return ashlar_check_heap(yard.heap, ASHLAR_CHECK_FULL, NULL, NULL, &report) == ASHLAR_SOUND;
}

/* All that a child does: nothing that the other threads had may stand in its way. */
static bool live_on(struct ashlar_thread_heap *th, uint64_t random) {
    struct ashlar_thread_heap *more[WORKERS + 1];
    if (!yard_sound()) return false;
    churn(th, &random, CHILD_STEPS);
    for (unsigned i = 0; i < WORKERS; i++) {
        if (ashlar_thread_heap_acquire(yard.heap, &more[i]) != ASHLAR_OK) return false;
        churn(more[i], &random, CHILD_STEPS);
    }
    for (unsigned i = 0; i < PLACES; i++) ashlar_free(more[i % WORKERS], yard.places[i]);
    for (unsigned i = 0; i < WORKERS; i++) ashlar_thread_heap_release(more[i]);
    ashlar_thread_heap_release(th);
    return yard_sound() && atomic_load(&yard.misuses) == 0;
}

static _Noreturn void leave(bool well) {
    keep_profile(0);
    _exit(well ? 0 : CHILD_FAILED);
}

static void expect_well(pid_t child) {
    int status;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void children_of_many_threads_live_on(void **state) {
    (void)state;
    pthread_t threads[WORKERS];
    struct ashlar_thread_heap *th;
    uint64_t random = 99;
    start(threads);
    assert_int_equal(ashlar_thread_heap_acquire(yard.heap, &th), ASHLAR_OK);
    for (unsigned i = 0; i < FORKS; i++) {
        churn(th, &random, 500);
        ashlar_heap_fork_prepare(yard.heap, th);
        pid_t child = fork();
        if (child == 0) {
            ashlar_heap_fork_child(yard.heap, th);
            leave(live_on(th, random));
        }
        ashlar_heap_fork_parent(yard.heap, th);
        expect_well(child);
    }
    stop(threads);
}

static _Atomic pid_t forked;

static void fork_now(int number) {
    (void)number;
    if (atomic_load(&in_child)) return;
    int kept = errno;
    ashlar_heap_fork_prepare(yard.heap, forking);
    pid_t child = fork();
    if (child == 0) {
        ashlar_heap_fork_child(yard.heap, forking);
        atomic_store(&in_child, true);
    } else {
        ashlar_heap_fork_parent(yard.heap, forking);
        atomic_store(&forked, child);
    }
    errno = kept;
}

/* Wherever the handler interrupts it, the call goes on in parent and child. */
static void *be_interrupted(void *argument) {
    uint64_t random = 7;
    (void)argument;
    while (!atomic_load(&yard.over) && !atomic_load(&in_child)) churn(forking, &random, 10);
    if (!atomic_load(&in_child)) return NULL;
    churn(forking, &random, CHILD_STEPS); /* meets a slow path, if it was not in one */
    ashlar_thread_heap_collect(forking);
    leave(live_on(forking, random));
}

static void a_child_returns_from_the_handler(void **state) {
    (void)state;
    pthread_t threads[WORKERS], interrupted;
    const struct sigaction action = {.sa_handler = fork_now, .sa_flags = SA_RESTART};
    struct sigaction before;
    start(threads);
    assert_int_equal(ashlar_thread_heap_acquire(yard.heap, &forking), ASHLAR_OK);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(pthread_create(&interrupted, NULL, be_interrupted, NULL), 0);
    for (unsigned i = 0; i < FORKS; i++) {
        atomic_store(&forked, 0);
        assert_int_equal(pthread_kill(interrupted, SIGUSR1), 0);
        while (atomic_load(&forked) == 0) usleep(100);
        expect_well(atomic_load(&forked));
    }
    atomic_store(&yard.over, true);
    pthread_join(interrupted, NULL);
    stop(threads);
    sigaction(SIGUSR1, &before, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parent_gets_its_locks_back),
        cmocka_unit_test(a_child_of_one_thread_is_as_it_was),
        cmocka_unit_test(thread_heaps_of_gone_threads_are_used_again),
        cmocka_unit_test(windows_that_were_opened_stay_so),
        cmocka_unit_test(a_thread_without_a_thread_heap_may_fork),
        cmocka_unit_test(whatever_was_torn_is_mended),
        cmocka_unit_test(a_handler_forks_within_a_slow_path),
        cmocka_unit_test(a_handler_forks_under_the_heap_s_lock),
        cmocka_unit_test(a_handler_forks_while_the_pool_is_another_s),
        cmocka_unit_test(a_visitor_s_handler_forks_while_the_pool_is_another_s),
        cmocka_unit_test(a_pool_that_another_was_changing_is_made_anew),
        cmocka_unit_test(a_handler_forks_while_its_thread_heap_is_made),
        cmocka_unit_test(a_handler_forks_while_a_visitor_is_answered),
        cmocka_unit_test(children_of_many_threads_live_on),
        cmocka_unit_test(a_child_returns_from_the_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
