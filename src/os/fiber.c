/* Fibers by ucontext, told to AddressSanitizer.
 *
 * A switch costs a system call (the signal mask), which is little beside what a replay does between
 * two. A fiber may be left for good in the middle of its work: its stack is then used again from
 * its start, so that what AddressSanitizer noted about the frames that never returned goes first.
 */
#include "os/fiber.h"

#include <ashlar/os.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASH_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASH_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef ASH_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(fake, stack, bytes)  ((void)0)
#define __sanitizer_finish_switch_fiber(fake, stack, bytes) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes)           ((void)0)
#endif

/* Room for the frames of a sanitized build. */
#define STACK_BYTES ((size_t)512 << 10)
/* Below the stack, for what runs over. */
#define GUARD_BYTES ((size_t)64 << 10)

/* makecontext hands over ints only. */
static struct ash_fiber *entered;

static void begin(void) {
    struct ash_fiber *fiber = entered;
    __sanitizer_finish_switch_fiber(NULL, &fiber->outside_stack, &fiber->outside_bytes);
    fiber->entry(fiber->context);
}

static bool map_stack(struct ash_fiber *fiber) {
    const struct ashlar_os *os = ashlar_os_linux();
    size_t bytes = STACK_BYTES + GUARD_BYTES;
    char *start = os->reserve(os->context, bytes, os->page_bytes(os->context));
    if (start == NULL) return false;
    if (!os->commit(os->context, start + GUARD_BYTES, STACK_BYTES)) {
        os->release(os->context, start, bytes);
        return false;
    }
    fiber->stack = start + GUARD_BYTES;
    fiber->stack_bytes = STACK_BYTES;
    return true;
}

bool ash_fiber_prepare(struct ash_fiber *fiber, void (*entry)(void *context), void *context) {
    if (fiber->stack == NULL && !map_stack(fiber)) return false;
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack, fiber->stack_bytes);
    fiber->entry = entry;
    fiber->context = context;
    if (getcontext(&fiber->inside) != 0) return false;
    fiber->inside.uc_stack.ss_sp = fiber->stack;
    fiber->inside.uc_stack.ss_size = fiber->stack_bytes;
    fiber->inside.uc_link = NULL;
    makecontext(&fiber->inside, begin, 0);
    return true;
}

void ash_fiber_enter(struct ash_fiber *fiber) {
    entered = fiber;
    __sanitizer_start_switch_fiber(&fiber->outside_fake, fiber->stack, fiber->stack_bytes);
    swapcontext(&fiber->outside, &fiber->inside);
    __sanitizer_finish_switch_fiber(fiber->outside_fake, NULL, NULL);
}

void ash_fiber_leave(struct ash_fiber *fiber) {
    __sanitizer_start_switch_fiber(&fiber->inside_fake, fiber->outside_stack, fiber->outside_bytes);
    swapcontext(&fiber->inside, &fiber->outside);
    __sanitizer_finish_switch_fiber(fiber->inside_fake, &fiber->outside_stack,
                                    &fiber->outside_bytes);
}

void ash_fiber_close(struct ash_fiber *fiber) {
    const struct ashlar_os *os = ashlar_os_linux();
    if (fiber->stack == NULL) return;
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack, fiber->stack_bytes);
    os->release(os->context, (char *)fiber->stack - GUARD_BYTES, fiber->stack_bytes + GUARD_BYTES);
    fiber->stack = NULL;
}
