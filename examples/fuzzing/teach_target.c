/* The adapter of teach.c: its functions, and what it promises besides. */
#include "teach.h"

#include <ashlar/target.h>

static const struct ashlar_malloc_family family = {
    .malloc = teach_malloc,
    .calloc = teach_calloc,
    .realloc = teach_realloc,
    .posix_memalign = teach_posix_memalign,
    .free = teach_free,
    .usable_size = teach_malloc_usable_size,
    .trim = teach_malloc_trim,
};

/* Every input starts with an empty heap: what one found, it finds again alone. */
static enum ashlar_status create(const struct ashlar_target *target,
                                 const struct ashlar_target_config *config, void **instance) {
    (void)config;
    teach_reset();
    *instance = target->data;
    return ASHLAR_OK;
}

const struct ashlar_target *ashlar_fuzz_target(void) {
    static struct ashlar_target target;
    target = ashlar_target_of(&family, "teach",
                              ASHLAR_TARGET_SETS_ERRNO | ASHLAR_TARGET_KEEPS_ERRNO |
                                  ASHLAR_TARGET_ALIGNS_ALL);
    target.create = create;
    return &target;
}
