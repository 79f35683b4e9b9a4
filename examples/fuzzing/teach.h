/* A small allocator to learn fuzzing with: malloc's family in one file, and twenty classic bugs
 * that can be switched on, one at a time: TEACH_BUG=name in the environment. See teach.c. */
#ifndef TEACH_H
#define TEACH_H

#include <stddef.h>

void *teach_malloc(size_t bytes);
void *teach_calloc(size_t count, size_t bytes);
void *teach_realloc(void *block, size_t bytes);
int teach_posix_memalign(void **block, size_t alignment, size_t bytes);
void teach_free(void *block);
size_t teach_malloc_usable_size(void *block);
int teach_malloc_trim(size_t keep);
/* Forgets all blocks: the heap is as at the start. */
void teach_reset(void);
/* The bugs' names in turn, NULL behind the last. */
const char *teach_bug_name(size_t index);

/* The same behind a cache for each thread: teach_cached.c. */
void *cached_malloc(size_t bytes);
void *cached_calloc(size_t count, size_t bytes);
void *cached_realloc(void *block, size_t bytes);
void cached_free(void *block);
size_t cached_malloc_usable_size(void *block);

#endif
