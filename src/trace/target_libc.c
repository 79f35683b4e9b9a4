/* The target `libc`: the malloc of this process, whichever library provides it.
 *
 * All instances are one heap, so nothing is known of what it holds, and logical threads are all the
 * calling thread. aligned_alloc goes through posix_memalign, the one function of the family whose
 * answer to a bad alignment is the same everywhere; alignments below its minimum are raised to it.
 */
#include <ashlar/target.h>
#include <errno.h>
#include <malloc.h>
#include <stdalign.h>
#include <stdlib.h>

static enum ashlar_status libc_create(const struct ashlar_target *target,
                                      const struct ashlar_target_config *config, void **instance) {
    static char the_process;
    (void)target, (void)config;
    *instance = &the_process;
    return ASHLAR_OK;
}

static void libc_destroy(void *instance) {
    (void)instance;
}

static void *libc_malloc(void *instance, uint32_t thread, size_t bytes) {
    (void)instance, (void)thread;
    return malloc(bytes);
}

static void *libc_calloc(void *instance, uint32_t thread, size_t count, size_t bytes) {
    (void)instance, (void)thread;
    return calloc(count, bytes);
}

static void *libc_realloc(void *instance, uint32_t thread, void *block, size_t bytes) {
    (void)instance, (void)thread;
    return realloc(block, bytes);
}

static void *libc_aligned_alloc(void *instance, uint32_t thread, size_t alignment, size_t bytes) {
    (void)instance, (void)thread;
    void *block = NULL;
    bool power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
    if (power_of_two && alignment < sizeof(void *)) alignment = sizeof(void *);
    int error = posix_memalign(&block, alignment, bytes);
    if (error == 0) return block;
    errno = error;
    return NULL;
}

static void libc_free(void *instance, uint32_t thread, void *block) {
    (void)instance, (void)thread;
    free(block);
}

static size_t libc_usable_size(void *instance, uint32_t thread, void *block) {
    (void)instance, (void)thread;
    return malloc_usable_size(block);
}

static void libc_trim(void *instance, uint32_t thread) {
    (void)instance, (void)thread;
    malloc_trim(0);
}

const struct ashlar_target ashlar_target_libc = {
    .name = "libc",
    .flags = ASHLAR_TARGET_SETS_ERRNO | ASHLAR_TARGET_KEEPS_ERRNO | ASHLAR_TARGET_PROCESS_WIDE,
    .alignment = alignof(max_align_t),
    .alignment_max = (size_t)1 << 62,
    .create = libc_create,
    .destroy = libc_destroy,
    .malloc = libc_malloc,
    .calloc = libc_calloc,
    .realloc = libc_realloc,
    .aligned_alloc = libc_aligned_alloc,
    .free = libc_free,
    .usable_size = libc_usable_size,
    .trim = libc_trim,
};
