/* The fields of a heap's metadata, as fuzz_corrupt damages them: see corrupt.c. */
#ifndef ASH_FUZZ_CORRUPT_H
#define ASH_FUZZ_CORRUPT_H

#include "heap/layout.h"

#include <ashlar/check.h>

/* Structures, by what their bytes mean. */
enum ash_place {
    ASH_IN_HEAP,       /* struct ash_heap, with the root */
    ASH_IN_THREAD,     /* struct ash_thread_heap, up to the bins */
    ASH_IN_KEPT_LISTS, /* and behind them */
    ASH_IN_BIN,        /* struct ash_bin */
    ASH_IN_SLAB,       /* descriptor of a slab's first page */
    ASH_IN_SLAB_BODY,  /* of a further page */
    ASH_IN_SPAN,       /* of a live span's first page */
    ASH_IN_KEPT,       /* of a kept one's */
    ASH_IN_RUN,        /* of a free run's first page */
    ASH_IN_RUN_LAST,   /* of its last */
    ASH_IN_INTERIOR,   /* of a page that says nothing */
    ASH_IN_WORDS,      /* a slab's free words in the bitmaps */
    ASH_IN_REMOTE,     /* a slab's remote words */
    ASH_IN_DIRTY,      /* dirty bits */
    ASH_PLACES
};

enum {
    ASH_FIELD_BYTES_MAX = 4096,
    ASH_KEPT_LISTS_AT = offsetof(struct ash_thread_heap, kept),
};

struct ash_corruption;

struct ash_field {
    enum ash_place place;
    const char *name;
    size_t offset, bytes;
    /* A change that the check does not see must be one that nothing can tell: `proof` says why such
     * changes are no damage, and `irrelevant` whether this one is such; NULL: any is. Without a
     * proof every change must be seen. */
    bool (*irrelevant)(const struct ash_corruption *change);
    const char *proof;
};

extern const struct ash_field ash_fields[];
extern const size_t ash_field_count;

struct ash_corruption {
    const struct ash_field *field;
    const struct ashlar_heap *public_heap;
    const struct ash_heap *heap;
    uint8_t *start;              /* of the structure */
    const struct ash_page *head; /* SLAB, SPAN, RUN and the words: of the page they belong to */
    size_t at, bytes;            /* what was changed, from the structure's start */
    uint8_t before[ASH_FIELD_BYTES_MAX];
    uint64_t live_before;                     /* of the heap */
    const struct ashlar_check_report *report; /* of the check that found it sound */
};

/* Bytes of the structure; those that no row covers are padding, which is checked like a field. */
size_t ash_place_bytes(enum ash_place place);
const char *ash_place_name(enum ash_place place);

#endif
