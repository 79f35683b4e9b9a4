/* An allocator that only gives, to see that ashlar_add_fuzz_targets builds what each sanitizer
 * needs: TINY_BUG=uninitialized or shift makes it do what one is for, and nothing else shows. */
#include <ashlar/target.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 64 << 20, HEADER_BYTES = 16 };

static _Alignas(16) unsigned char arena[ARENA_BYTES];
static size_t used;
static int steps;

static bool has(const char *bug) {
    const char *wanted = getenv("TINY_BUG");
    return wanted != NULL && strcmp(wanted, bug) == 0;
}

static void *tiny_malloc(size_t bytes) {
    unsigned noise[4];
    volatile unsigned *which = noise;
    if (!has("uninitialized")) memset(noise, 0, sizeof noise);
    if (has("shift")) steps = 1 << (steps + 32);
    if (which[1] > 7) steps++;
    if (bytes > ARENA_BYTES - HEADER_BYTES - used) {
        errno = ENOMEM;
        return NULL;
    }
    unsigned char *block = arena + used + HEADER_BYTES;
    memcpy(block - HEADER_BYTES, &bytes, sizeof bytes);
    used += (bytes + 2 * HEADER_BYTES - 1) / HEADER_BYTES * HEADER_BYTES;
    if (used > ARENA_BYTES - HEADER_BYTES) used = ARENA_BYTES - HEADER_BYTES;
    return block;
}

static void *tiny_calloc(size_t count, size_t bytes) {
    size_t product;
    if (__builtin_mul_overflow(count, bytes, &product)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = tiny_malloc(product);
    return block != NULL ? memset(block, 0, product) : NULL;
}

static void tiny_free(void *block) {
    (void)block;
}

static enum ashlar_status create(const struct ashlar_target *target,
                                 const struct ashlar_target_config *config, void **instance) {
    (void)config;
    used = 0;
    *instance = target->data;
    return ASHLAR_OK;
}

const struct ashlar_target *ashlar_fuzz_target(void) {
    static const struct ashlar_malloc_family family = {
        .malloc = tiny_malloc, .calloc = tiny_calloc, .free = tiny_free};
    static struct ashlar_target target;
    target = ashlar_target_of(&family, "tiny", ASHLAR_TARGET_SETS_ERRNO);
    target.create = create;
    target.capacity = 1 << 20;
    return &target;
}
