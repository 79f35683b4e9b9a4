/* The twin of the system that fails: every fallible call is counted, and the chosen one answers as
 * a system out of memory would, without reaching the one below. */
#include "base/base.h"

#include <ashlar/os.h>

static bool fails(struct ashlar_os_fault *fault, enum ashlar_os_call kind) {
    fault->made[kind]++;
    if ((fault->fail_kinds & (1U << kind)) == 0) return false;
    fault->calls++;
    bool now = fault->fail_at != 0 && (fault->fail_after ? fault->calls >= fault->fail_at
                                                         : fault->calls == fault->fail_at);
    if (now) fault->failed++;
    return now;
}

static void *fault_reserve(void *context, size_t bytes, size_t alignment) {
    struct ashlar_os_fault *fault = context;
    if (fails(fault, ASHLAR_OS_RESERVE)) return NULL;
    void *start = fault->below->reserve(fault->below->context, bytes, alignment);
    if (start != NULL) fault->mapped_bytes += bytes;
    return start;
}

static void fault_release(void *context, void *address, size_t bytes) {
    struct ashlar_os_fault *fault = context;
    fault->below->release(fault->below->context, address, bytes);
    fault->mapped_bytes -= bytes;
}

static bool fault_commit(void *context, void *address, size_t bytes) {
    struct ashlar_os_fault *fault = context;
    if (fails(fault, ASHLAR_OS_COMMIT)) return false;
    return fault->below->commit(fault->below->context, address, bytes);
}

static bool fault_purge(void *context, void *address, size_t bytes) {
    struct ashlar_os_fault *fault = context;
    if (fails(fault, ASHLAR_OS_PURGE)) return false;
    return fault->below->purge(fault->below->context, address, bytes);
}

static bool fault_move(void *context, void *from, void *to, size_t bytes) {
    struct ashlar_os_fault *fault = context;
    if (fails(fault, ASHLAR_OS_MOVE)) return false;
    return fault->below->move(fault->below->context, from, to, bytes);
}

static bool fault_normalize(void *context, void *address, size_t bytes) {
    struct ashlar_os_fault *fault = context;
    if (fails(fault, ASHLAR_OS_MOVE)) return false;
    return fault->below->normalize(fault->below->context, address, bytes);
}

static bool fault_resident(void *context, const void *address) {
    struct ashlar_os_fault *fault = context;
    return fault->below->resident(fault->below->context, address);
}

static size_t fault_page_bytes(void *context) {
    struct ashlar_os_fault *fault = context;
    return fault->below->page_bytes(fault->below->context);
}

static uint64_t fault_now_ms(void *context) {
    struct ashlar_os_fault *fault = context;
    uint64_t below = fault->frozen_clock ? 0 : fault->below->now_ms(fault->below->context);
    return below + fault->clock_ms;
}

void ashlar_os_fault_init(struct ashlar_os_fault *fault, const struct ashlar_os *below) {
    *fault = (struct ashlar_os_fault){
        .os = {.context = fault,
               .reserve = fault_reserve,
               .release = fault_release,
               .commit = fault_commit,
               .purge = fault_purge,
               .move = fault_move,
               .normalize = fault_normalize,
               .resident = fault_resident,
               .page_bytes = fault_page_bytes,
               .now_ms = fault_now_ms},
        .below = below != NULL ? below : ashlar_os_linux(),
        .fail_kinds = (1U << ASHLAR_OS_CALL_COUNT) - 1,
    };
}
