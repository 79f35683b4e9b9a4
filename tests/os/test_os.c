/* The system underneath: each call does what its table promises and keeps errno; the twin that
 * fails counts and fails just what it is told; the lock excludes and wakes. */
#include "base/base.h"
#include "os/lock.h"

#include <ashlar/os.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, LOCK_THREADS = 4, LOCK_STEPS = 50000 };

/* Whether a byte can be read, asked of the kernel: no signal, no sanitizer in between. */
static bool readable(const void *address) {
    int ends[2], kept = errno;
    assert_int_equal(pipe(ends), 0);
    bool can = syscall(SYS_write, ends[1], address, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    errno = kept;
    return can;
}

static bool all_are(const uint8_t *bytes, size_t count, uint8_t value) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != value) return false;
    return true;
}

static void reserved_space_is_aligned_and_closed(void **state) {
    (void)state;
    const struct ashlar_os *os = ashlar_os_linux();
    size_t unit = os->page_bytes(os->context);
    assert_true(ash_is_power_of_two(unit));
    for (size_t alignment = unit; alignment <= (size_t)64 * MIB; alignment *= 4) {
        errno = 4711;
        uint8_t *space = os->reserve(os->context, 3 * unit, alignment);
        assert_non_null(space);
        assert_int_equal((uintptr_t)space % alignment, 0);
        assert_false(readable(space));
        assert_true(os->commit(os->context, space + unit, unit));
        assert_false(readable(space));
        assert_true(readable(space + unit));
        assert_false(readable(space + 2 * unit));
        assert_true(all_are(space + unit, unit, 0));
        memset(space + unit, 7, unit);
        assert_true(os->commit(os->context, space, 3 * unit)); /* over what is committed already */
        assert_true(all_are(space + unit, unit, 7));
        os->release(os->context, space, 3 * unit);
        assert_false(readable(space + unit));
        assert_int_equal(errno, 4711);
    }
}

static void what_cannot_be_is_refused_quietly(void **state) {
    (void)state;
    const struct ashlar_os *os = ashlar_os_linux();
    size_t unit = os->page_bytes(os->context);
    errno = 4711;
    assert_null(os->reserve(os->context, SIZE_MAX - unit + 1, 2 * unit)); /* wraps */
    assert_null(os->reserve(os->context, (size_t)1 << 62, unit));
    uint8_t *space = os->reserve(os->context, unit, unit);
    os->release(os->context, space, unit);
    assert_false(os->commit(os->context, space, unit)); /* nothing is there any more */
    assert_false(os->purge(os->context, space, unit));
    assert_int_equal(errno, 4711);
}

static void purged_pages_are_zero(void **state) {
    (void)state;
    const struct ashlar_os *os = ashlar_os_linux();
    size_t unit = os->page_bytes(os->context);
    uint8_t *space = os->reserve(os->context, 4 * unit, unit);
    assert_true(os->commit(os->context, space, 4 * unit));
    memset(space, 5, 4 * unit);
    errno = 4711;
    assert_true(os->purge(os->context, space + unit, 2 * unit));
    assert_true(all_are(space, unit, 5));
    assert_true(all_are(space + unit, 2 * unit, 0));
    assert_true(all_are(space + 3 * unit, unit, 5));
    memset(space + unit, 6, unit); /* still committed */
    assert_int_equal(errno, 4711);
    os->release(os->context, space, 4 * unit);
}

/* In one mapping the system moves pages; over two (one moved before) it cannot, and bytes are. */
static void moved_pages_leave_zeros_behind(void **state) {
    (void)state;
    const struct ashlar_os *os = ashlar_os_linux();
    size_t unit = os->page_bytes(os->context), bytes = 16 * unit;
    uint8_t *space = os->reserve(os->context, 4 * bytes, unit);
    assert_true(os->commit(os->context, space, 4 * bytes));
    memset(space, 1, bytes);
    memset(space + 2 * bytes, 9, bytes);
    errno = 4711;
    assert_true(os->move(os->context, space, space + 2 * bytes, bytes));
    assert_true(all_are(space, bytes, 0));
    assert_true(all_are(space + 2 * bytes, bytes, 1));
    memset(space, 2, bytes); /* both stay usable */
    memset(space + 3 * bytes, 3, bytes);
    assert_true(os->move(os->context, space + 2 * bytes + 8 * unit, space, bytes));
    assert_true(all_are(space, 8 * unit, 1));
    assert_true(all_are(space + 8 * unit, 8 * unit, 3));
    assert_true(all_are(space + 2 * bytes + 8 * unit, bytes, 0));
    assert_true(os->normalize(os->context, space, bytes));
    assert_true(all_are(space, bytes, 0));
    memset(space, 4, bytes);
    assert_int_equal(errno, 4711);
    os->release(os->context, space, 4 * bytes);
}

static void what_is_in_memory_is_known(void **state) {
    (void)state;
    const struct ashlar_os *os = ashlar_os_linux();
    size_t unit = os->page_bytes(os->context);
    uint8_t *space = os->reserve(os->context, 4 * unit, unit);
    assert_true(os->commit(os->context, space, 4 * unit));
    space[unit] = 1;
    errno = 4711;
    assert_false(os->resident(os->context, space));
    assert_true(os->resident(os->context, space + unit));
    assert_true(os->resident(os->context, space + 2 * unit - 1)); /* the same page */
    assert_false(os->resident(os->context, space + 2 * unit));
    assert_true(os->purge(os->context, space + unit, unit));
    assert_false(os->resident(os->context, space + unit));
    os->release(os->context, space, 4 * unit);
    assert_false(os->resident(os->context, space)); /* nor is what is not there at all */
    assert_int_equal(errno, 4711);
}

static void time_does_not_go_back(void **state) {
    (void)state;
    const struct ashlar_os *os = ashlar_os_linux();
    uint64_t before = os->now_ms(os->context);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = os->now_ms(os->context);
        assert_true(now >= before && now - before < 60000);
        before = now;
    }
}

/* Makes one call of each kind; a bit for each that failed. */
static uint32_t call_each(struct ashlar_os_fault *fault, uint8_t *space, size_t unit) {
    const struct ashlar_os *os = &fault->os;
    uint32_t failed = 0;
    void *more = os->reserve(os->context, unit, unit);
    if (more == NULL)
        failed |= 1U << ASHLAR_OS_RESERVE;
    else
        os->release(os->context, more, unit);
    if (!os->commit(os->context, space, 4 * unit)) failed |= 1U << ASHLAR_OS_COMMIT;
    if (!os->purge(os->context, space, unit)) failed |= 1U << ASHLAR_OS_PURGE;
    if (!os->move(os->context, space, space + unit, unit)) failed |= 1U << ASHLAR_OS_MOVE;
    return failed;
}

static void the_twin_fails_what_it_is_told(void **state) {
    (void)state;
    static const uint32_t kinds[4] = {1U << ASHLAR_OS_RESERVE, 1U << ASHLAR_OS_COMMIT,
                                      1U << ASHLAR_OS_PURGE, 1U << ASHLAR_OS_MOVE};
    struct ashlar_os_fault fault;
    ashlar_os_fault_init(&fault, NULL);
    assert_ptr_equal(fault.below, ashlar_os_linux());
    size_t unit = fault.os.page_bytes(fault.os.context);
    uint8_t *space = fault.os.reserve(fault.os.context, 4 * unit, unit);
    assert_int_equal(fault.mapped_bytes, 4 * unit);
    assert_int_equal(call_each(&fault, space, unit), 0);
    assert_int_equal(fault.calls, 5);
    const uint64_t made[ASHLAR_OS_CALL_COUNT] = {2, 0, 1, 1, 1};
    assert_memory_equal(fault.made, made, sizeof made);
    for (unsigned i = 0; i < 4; i++) {
        fault.calls = fault.failed = 0;
        fault.fail_at = i + 1;
        assert_int_equal(call_each(&fault, space, unit), kinds[i]); /* just that one */
        assert_int_equal(fault.failed, 1);
        assert_int_equal(call_each(&fault, space, unit), 0);
        fault.calls = 0;
        fault.fail_after = true;
        uint32_t expected = 0;
        for (unsigned later = i; later < 4; later++) expected |= kinds[later];
        assert_int_equal(call_each(&fault, space, unit), expected);
        fault.calls = 0;
        fault.fail_at = 1;
        fault.fail_kinds = kinds[i];
        assert_int_equal(call_each(&fault, space, unit), kinds[i]);
        assert_int_equal(fault.calls, 1); /* others do not count */
        for (unsigned kind = 0; kind < ASHLAR_OS_CALL_COUNT; kind++)
            if (kind != ASHLAR_OS_RELEASE) /* but are known */
                assert_int_equal(fault.made[kind], made[kind] + 4 * (i + 1));
        fault.fail_after = false;
        fault.fail_kinds = (1U << ASHLAR_OS_CALL_COUNT) - 1;
    }
    fault.calls = 0;
    assert_false(fault.os.normalize(fault.os.context, space, unit)); /* counts as a move */
    fault.os.release(fault.os.context, space, 4 * unit);
    assert_int_equal(fault.mapped_bytes, 0);
}

static void the_twin_s_clock_can_stand_still(void **state) {
    (void)state;
    struct ashlar_os_fault fault;
    ashlar_os_fault_init(&fault, ashlar_os_linux());
    uint64_t real = fault.os.now_ms(fault.os.context);
    fault.clock_ms = 100000;
    assert_true(fault.os.now_ms(fault.os.context) >= real + 100000);
    fault.frozen_clock = true;
    assert_int_equal(fault.os.now_ms(fault.os.context), 100000);
    fault.clock_ms += 5;
    assert_int_equal(fault.os.now_ms(fault.os.context), 100005);
}

struct shared {
    struct ash_lock lock;
    uint64_t count; /* plain: the lock alone keeps it right */
};

static void *count_up(void *argument) {
    struct shared *shared = argument;
    for (unsigned i = 0; i < LOCK_STEPS; i++) {
        ash_lock_take(&shared->lock);
        shared->count++;
        ash_lock_give(&shared->lock);
    }
    return NULL;
}

static void the_lock_excludes(void **state) {
    (void)state;
    struct shared shared = {0};
    pthread_t threads[LOCK_THREADS];
    for (unsigned i = 0; i < LOCK_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &shared), 0);
    for (unsigned i = 0; i < LOCK_THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(shared.count, LOCK_THREADS * LOCK_STEPS);
    assert_int_equal(atomic_load(&shared.lock.state), 0);
}

static void *take_and_give(void *argument) {
    struct shared *shared = argument;
    errno = 4711;
    ash_lock_take(&shared->lock);
    shared->count++;
    ash_lock_give(&shared->lock);
    return (void *)(uintptr_t)errno;
}

/* Waiters sleep in the kernel: the state says so, and giving the lock wakes all of them in turn. */
static void waiters_sleep_and_wake(void **state) {
    (void)state;
    struct shared shared = {0};
    pthread_t threads[LOCK_THREADS];
    ash_lock_take(&shared.lock);
    assert_true(ash_lock_mine(&shared.lock));
    assert_false(ash_lock_try(&shared.lock));
    assert_int_equal(atomic_load(&shared.lock.state), ash_lock_mark());
    for (unsigned i = 0; i < LOCK_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &shared), 0);
    while (atomic_load(&shared.lock.state) != (ash_lock_mark() | ASH_LOCK_WAITERS)) usleep(1000);
    assert_true(ash_lock_mine(&shared.lock));
    assert_int_equal(shared.count, 0);
    ash_lock_give(&shared.lock);
    for (unsigned i = 0; i < LOCK_THREADS; i++) {
        void *kept;
        assert_int_equal(pthread_join(threads[i], &kept), 0);
        assert_int_equal((uintptr_t)kept, 4711);
    }
    assert_int_equal(shared.count, LOCK_THREADS);
    assert_int_equal(atomic_load(&shared.lock.state), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserved_space_is_aligned_and_closed),
        cmocka_unit_test(what_cannot_be_is_refused_quietly),
        cmocka_unit_test(purged_pages_are_zero),
        cmocka_unit_test(moved_pages_leave_zeros_behind),
        cmocka_unit_test(what_is_in_memory_is_known),
        cmocka_unit_test(time_does_not_go_back),
        cmocka_unit_test(the_twin_fails_what_it_is_told),
        cmocka_unit_test(the_twin_s_clock_can_stand_still),
        cmocka_unit_test(the_lock_excludes),
        cmocka_unit_test(waiters_sleep_and_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
