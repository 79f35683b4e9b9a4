/* The allocator underneath, as seen by the interposers of preload.c and operators.c. */
#ifndef ASH_RECORD_NEXT_H
#define ASH_RECORD_NEXT_H

#include <stddef.h>

struct ash_next {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
};
extern struct ash_next ash_next;

#endif
