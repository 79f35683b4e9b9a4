/* Reading a heap whose metadata may be damaged.
 *
 * The commands show metadata exactly when something is wrong with it, and then an address in it
 * may point anywhere. Reading through the kernel makes a bad address an answer instead of a fault.
 * A call for each descriptor would be slow, hence the kept window: metadata is read mostly in
 * ascending order.
 */
#include "guarded.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WINDOW_BYTES = 64 * 1024, UNIT_BYTES = 4096 };

static uint8_t window[WINDOW_BYTES];
static uint64_t window_start;
static size_t window_bytes;

/* Bytes read, which may be fewer than asked for: the kernel stops at the first page without access.
 */
static size_t fetch(uint64_t address, void *to, size_t bytes) {
    struct iovec local = {to, bytes};
    struct iovec remote = {(void *)(uintptr_t)address, bytes};
    ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    return got < 0 ? 0 : (size_t)got;
}

static const void *view(void *context, uint64_t address, size_t bytes, void *scratch) {
    (void)context;
    if (bytes == 0) return scratch;
    if (address > UINT64_MAX - bytes - WINDOW_BYTES) return NULL;
    if (bytes > WINDOW_BYTES - UNIT_BYTES) {
        return fetch(address, scratch, bytes) == bytes ? scratch : NULL;
    }
    bool inside =
        address >= window_start && address + bytes <= window_start + (uint64_t)window_bytes;
    if (!inside) {
        window_start = address - address % UNIT_BYTES;
        window_bytes = fetch(window_start, window, WINDOW_BYTES);
        if (address + bytes > window_start + (uint64_t)window_bytes) return NULL;
    }
    memcpy(scratch, window + (address - window_start), bytes);
    return scratch;
}

const struct ashlar_reader ash_guarded_reader = {.view = view, .quiescent = true};

void ash_guarded_reset(void) {
    window_bytes = 0;
}
