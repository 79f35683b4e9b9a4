/* Targets from plain functions: malloc's family of any allocator.
 *
 * All instances are one heap, so nothing is known of what it holds, and logical threads are all the
 * calling thread. aligned_alloc goes through posix_memalign where there is one, the one function of
 * the family whose answer to a bad alignment is the same everywhere; alignments below its minimum
 * are raised to it.
 */
#include <ashlar/target.h>
#include <errno.h>

static enum ashlar_status family_create(const struct ashlar_target *target,
                                        const struct ashlar_target_config *config,
                                        void **instance) {
    (void)config;
    *instance = target->data;
    return ASHLAR_OK;
}

static void family_destroy(void *instance) {
    (void)instance;
}

static void *family_malloc(void *instance, uint32_t thread, size_t bytes) {
    (void)thread;
    return ((const struct ashlar_malloc_family *)instance)->malloc(bytes);
}

static void *family_calloc(void *instance, uint32_t thread, size_t count, size_t bytes) {
    (void)thread;
    return ((const struct ashlar_malloc_family *)instance)->calloc(count, bytes);
}

static void *family_realloc(void *instance, uint32_t thread, void *block, size_t bytes) {
    (void)thread;
    return ((const struct ashlar_malloc_family *)instance)->realloc(block, bytes);
}

static void *family_aligned_alloc(void *instance, uint32_t thread, size_t alignment, size_t bytes) {
    (void)thread;
    const struct ashlar_malloc_family *family = instance;
    void *block = NULL;
    bool power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
    if (power_of_two && alignment < sizeof(void *)) alignment = sizeof(void *);
    if (family->posix_memalign == NULL) {
        if (power_of_two) return family->aligned_alloc(alignment, bytes);
        errno = EINVAL; /* what aligned_alloc does with it is its own choice */
        return NULL;
    }
    int error = family->posix_memalign(&block, alignment, bytes);
    if (error == 0) return block;
    errno = error;
    return NULL;
}

static void family_free(void *instance, uint32_t thread, void *block) {
    (void)thread;
    ((const struct ashlar_malloc_family *)instance)->free(block);
}

static size_t family_usable_size(void *instance, uint32_t thread, void *block) {
    (void)thread;
    return ((const struct ashlar_malloc_family *)instance)->usable_size(block);
}

static void family_trim(void *instance, uint32_t thread) {
    (void)thread;
    ((const struct ashlar_malloc_family *)instance)->trim(0);
}

struct ashlar_target ashlar_target_of(const struct ashlar_malloc_family *family, const char *name,
                                      uint32_t flags) {
    struct ashlar_target target = {
        .name = name,
        .flags = flags | ASHLAR_TARGET_PROCESS_WIDE,
        .alignment = 16,
        .create = family_create,
        .destroy = family_destroy,
        .malloc = family_malloc,
        .calloc = family_calloc,
        .realloc = family->realloc != NULL ? family_realloc : NULL,
        .free = family_free,
        .usable_size = family->usable_size != NULL ? family_usable_size : NULL,
        .trim = family->trim != NULL ? family_trim : NULL,
        .data = (void *)(uintptr_t)family,
    };
    if (family->posix_memalign != NULL || family->aligned_alloc != NULL) {
        target.aligned_alloc = family_aligned_alloc;
        target.alignment_max = (size_t)1 << 62;
    }
    return target;
}
