/* How the memory of a large calloc becomes zero. See zeroing.c. */
#ifndef ASH_ZEROING_H
#define ASH_ZEROING_H

#include "heap/runs.h"

/* What is to be done with one span, decided when it is taken. */
struct ash_zeroing {
    struct ash_run_content content; /* what its pages held */
    bool gives_back; /* all of it goes back to the system; else dirty pages are cleared */
    void *watched;   /* the OS page in it that is to be watched; NULL: none */
};

/* Decides for a span of `bytes` (over ASH_CLASS_BYTES_MAX) that was just taken with `content`. The
 * lock is held. */
void ash_zeroing_plan(struct ash_heap *heap, const struct ash_page *head, size_t bytes,
                      struct ash_zeroing *plan);

/* Makes the first `bytes` of the span zero. */
void ash_zeroing_do(struct ash_heap *heap, const struct ash_page *head, size_t bytes,
                    const struct ash_zeroing *plan);

/* Whether a page of the span is watched; without the lock, so only a hint, but for a span that
 * nobody else takes pages of. */
bool ash_zeroing_watches(const struct ash_heap *heap, const struct ash_page *head);

/* A span is about to be given back: learns from it. The lock is held. */
void ash_zeroing_learn(struct ash_heap *heap, const struct ash_page *head);

#endif
