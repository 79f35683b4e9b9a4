/* MemorySanitizer between a harness that is not instrumented and a target that is.
 *
 * What an instrumented function knows of its arguments it reads from where its caller should have
 * noted it, and of a structure from notes about its memory. The harness makes none, so the target
 * would find old ones. The functions here are the target's, compiled with the sanitizer but left
 * out of its judgement: all that they hand on is noted as initialized, whatever it was.
 *
 * One target in a process: the harness has one. Linked for the sanitizer only, see
 * cmake/AshlarFuzzTargets.cmake.
 */
#include "watch.h"

#include <sanitizer/msan_interface.h>

#define CLEAN __attribute__((no_sanitize("memory")))

static const struct ashlar_target *inner;

/* What the harness prints and writes would be judged on the way into libc. */
__attribute__((constructor)) static void judge_the_target_alone(void) {
    __msan_scoped_disable_interceptor_checks();
}

CLEAN static enum ashlar_status clean_create(const struct ashlar_target *target,
                                             const struct ashlar_target_config *config,
                                             void **instance) {
    (void)target;
    __msan_unpoison(config, sizeof *config);
    if (config->faults != NULL) __msan_unpoison(config->faults, sizeof *config->faults);
    return inner->create(inner, config, instance);
}

CLEAN static void clean_destroy(void *instance) {
    inner->destroy(instance);
}

CLEAN static void *clean_malloc(void *instance, uint32_t thread, size_t bytes) {
    return inner->malloc(instance, thread, bytes);
}

CLEAN static void *clean_calloc(void *instance, uint32_t thread, size_t count, size_t bytes) {
    return inner->calloc(instance, thread, count, bytes);
}

CLEAN static void *clean_realloc(void *instance, uint32_t thread, void *block, size_t bytes) {
    return inner->realloc(instance, thread, block, bytes);
}

CLEAN static void *clean_aligned_alloc(void *instance, uint32_t thread, size_t alignment,
                                       size_t bytes) {
    return inner->aligned_alloc(instance, thread, alignment, bytes);
}

CLEAN static void clean_free(void *instance, uint32_t thread, void *block) {
    inner->free(instance, thread, block);
}

CLEAN static void clean_free_sized(void *instance, uint32_t thread, void *block, size_t alignment,
                                   size_t bytes) {
    inner->free_sized(instance, thread, block, alignment, bytes);
}

CLEAN static size_t clean_usable_size(void *instance, uint32_t thread, void *block) {
    return inner->usable_size(instance, thread, block);
}

CLEAN static void clean_trim(void *instance, uint32_t thread) {
    inner->trim(instance, thread);
}

CLEAN static void clean_collect(void *instance, uint32_t thread) {
    inner->collect(instance, thread);
}

CLEAN static void clean_thread_exit(void *instance, uint32_t thread) {
    inner->thread_exit(instance, thread);
}

CLEAN static void clean_reset(void *instance) {
    inner->reset(instance);
}

CLEAN const struct ashlar_target *ash_clean_target(const struct ashlar_target *target) {
    static struct ashlar_target clean;
    __msan_unpoison(target, sizeof *target); /* ashlar_target_of made it */
    inner = target;
    clean = *target;
    clean.create = clean_create;
    clean.destroy = clean_destroy;
    clean.malloc = clean_malloc;
    clean.calloc = clean_calloc;
    clean.free = clean_free;
    if (target->realloc != NULL) clean.realloc = clean_realloc;
    if (target->aligned_alloc != NULL) clean.aligned_alloc = clean_aligned_alloc;
    if (target->free_sized != NULL) clean.free_sized = clean_free_sized;
    if (target->usable_size != NULL) clean.usable_size = clean_usable_size;
    if (target->trim != NULL) clean.trim = clean_trim;
    if (target->collect != NULL) clean.collect = clean_collect;
    if (target->thread_exit != NULL) clean.thread_exit = clean_thread_exit;
    if (target->reset != NULL) clean.reset = clean_reset;
    return &clean;
}
