/* What the checker's tests share: heaps in known shapes, and how findings are gathered.
 *
 * A *rich* heap holds one of everything that the checker looks at: slabs in every place, with words
 * in the descriptor and in the bitmaps, of one page and of several; pending remote frees on a stack
 * of two; spans plain, aligned, moved and kept; free runs clean, dirty, and two in one bin; active
 * and pooled thread heaps. It runs on a frozen clock, so it is the same every time. */
#ifndef ASHLAR_TEST_FIXTURE_H
#define ASHLAR_TEST_FIXTURE_H

#include "heap/layout.h"

#include <ashlar/check.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { RICH_POINTERS = 20000, SEEN_MOST = 32 };

struct rich {
    struct ashlar_os_fault os;
    struct ashlar_heap *public_heap;
    struct ash_heap *heap;
    struct ashlar_thread_heap *threads[4]; /* 1 and 2 active, 3 and 4 released */
    void *memory;                          /* of a heap in the caller's memory */
    void *kept[4];                         /* spans, freed */
    void *live[RICH_POINTERS];
    size_t live_count;
    size_t live_blocks; /* expected of a check */
};

/* In address space of its own, or in `memory_bytes` of the caller's. */
void rich_make(struct rich *rich, size_t memory_bytes);
void rich_drop(struct rich *rich);
/* A small one in the caller's memory: a few blocks of some classes, one span, a remote free. */
void small_make(struct rich *rich, size_t memory_bytes);

/* Gathers findings. */
struct seen {
    uint64_t count;
    struct ashlar_finding findings[SEEN_MOST];
};
void seen_add(void *context, const struct ashlar_finding *finding);
/* Prints what was seen, for a test that is about to fail. */
void seen_print(const struct seen *seen);

/* The check must give this verdict; prints the findings otherwise. Returns the report. */
struct ashlar_check_report expect_verdict(const struct rich *rich, enum ashlar_check_tier tier,
                                          enum ashlar_verdict verdict);

/* First page of the first slab of a class in a place, owned by thread heap `id`; fails the test
 * when there is none. */
struct ash_page *find_slab(struct rich *rich, unsigned class_index, enum ash_slab_place place,
                           uint32_t id);
struct ash_page *find_span(struct rich *rich, uint64_t pages);
struct ash_thread_heap *thread_of(struct rich *rich, uint32_t id);
uint32_t link_of(struct rich *rich, const struct ash_page *page);

#endif
