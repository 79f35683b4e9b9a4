/* The layout of a heap in memory: what the core writes, and what the checker reads from inside or
 * outside.
 *
 * Addresses in metadata are addresses of the heap's own address space. Changing anything here
 * changes ASH_LAYOUT_VERSION.
 *
 *   metadata   guard | heap (root first), thread heaps | guard | page descriptors | guard
 *              | dirty bits | guard | bitmaps | guard
 *   region     page 0 | page 1 | ... frontier ... | last page
 *              committed             reserved, no access
 *
 * Glossary: `page` is 64 KiB of the region; a page number counts from the region's base; a link is
 * a page number + 1, so that 0 is "none"; a window is 64 blocks of a slab; `th` is a thread heap.
 */
#ifndef ASH_LAYOUT_H
#define ASH_LAYOUT_H

#include "base/base.h"
#include "os/lock.h"

#include <ashlar/heap.h>
#include <ashlar/os.h>
#include <stdatomic.h>

enum {
    ASH_LAYOUT_VERSION = 7,
    ASH_PAGE_SHIFT = 16,
    ASH_PAGE_BYTES = 1 << ASH_PAGE_SHIFT,
    ASH_WINDOW_BLOCKS = 64,
    ASH_WINDOWS_MAX = 64, /* of a slab: 4,096 blocks */
    ASH_INLINE_WORDS = 6, /* free words that fit the descriptor */
    ASH_CLASS_COUNT = 44,
    ASH_SLAB_PAGES_MAX = 64,
    ASH_CLASS_BYTES_MAX = 65536, /* larger blocks are spans */
    ASH_SMALL_BYTES_MAX = 1024,  /* up to here a block is small, and its class .. */
    ASH_SMALL_CLASS_LAST = 19,   /* .. at most this; larger ones are medium */
    ASH_SKEWED_ABOVE = 8192,     /* above, classes that are no power of two are larger .. */
    ASH_SKEW_BYTES = 256,        /* .. by so much: classes.c */
    ASH_BLOCK_ALIGN = 16,
    ASH_RUN_BINS = 192, /* free runs by size: exact up to 15 pages, then 8 per doubling */
    ASH_RUN_BIN_WORDS = ASH_RUN_BINS / 64,
    ASH_PAST_PAGES = 2048, /* from the region's start, of which it is known what they were */
    ASH_KEPT_EXACT = 4,    /* kept spans of up to so many pages have lists by length .. */
    ASH_KEPT_LISTS = ASH_KEPT_EXACT + 1, /* .. longer ones the last */
    ASH_HABITS =
        8, /* of calloc, by size: from each doubling of a page, and the last for the rest */
    /* One page's bitmaps: free words, then remote words. The stride is no power of two, so that the
     * same word of many slabs falls into many cache sets. */
    ASH_BITMAP_REMOTE_BYTES = 512,
    ASH_BITMAP_STRIDE = 1088,
};
/* "AasHSlr\0" in memory: unlikely by chance */
#define ASH_ROOT_MAGIC       UINT64_C(0x00726c5348736141)
#define ASH_REGION_BYTES_MAX (UINT64_C(1) << 40)
#define ASH_ALIGNMENT_MAX    ((size_t)1 << 30)

enum ash_page_kind {
    ASH_PAGE_NONE =
        0, /* interior of a span or free run, or beyond the frontier: the descriptor says nothing */
    ASH_PAGE_FREE,      /* first and last page of a free run */
    ASH_PAGE_SLAB,      /* first page of a slab */
    ASH_PAGE_SLAB_BODY, /* further page of a slab; repeats what free reads */
    ASH_PAGE_SPAN,      /* first page of a span */
    ASH_PAGE_KEPT,      /* first page of a freed span: some thread heap keeps it */
    ASH_PAGE_KIND_COUNT
};

/* Where a slab is, seen from its thread heap. */
enum ash_slab_place {
    ASH_SLAB_FULL = 0, /* no free block known: in no list; found by its page only */
    ASH_SLAB_QUEUED,   /* in its bin's queue: has free blocks */
    ASH_SLAB_CURRENT,  /* its bin allocates from it */
};

struct ash_thread_heap;

/* Page descriptor, 128 bytes: line 0 is read by every free of any thread and written on slow paths
 * only; line 1 belongs to the owner. */
struct ash_page {
    /* line 0 */
    _Alignas(ASH_CACHE_LINE) uint64_t reciprocal; /* slab: ash_reciprocal of its shape */
    uint64_t *words; /* slab: its free words, 1 = free; inline below or in the bitmaps */
    _Atomic(struct ash_thread_heap *) owner; /* slab: who allocates from it; else NULL */
    uint64_t full_tail;    /* slab: the last window's word when all its blocks are free */
    struct ash_page *head; /* slab: descriptor of its first page; span, free run: likewise */
    _Atomic uint64_t remote_summary; /* slab head: bit w set when remote word w may hold bits */
    uint32_t page_offset_bytes;      /* slab: distance of this page from the slab's start */
    uint16_t block_count;            /* slab */
    uint8_t kind;                    /* enum ash_page_kind */
    uint8_t class_index;             /* slab */
    _Atomic uint32_t
        pending_next; /* slab head: link to the next slab on its owner's pending stack */
    union {
        uint32_t pages; /* span head, free run (first and last page): length of the run */
        struct {        /* slab head (pages: of every page of the slab) */
            uint8_t slab_pages;
            uint8_t opened_windows; /* windows [0, opened) have been allocated from */
            uint8_t place;          /* enum ash_slab_place */
            uint8_t spare;
        };
    };
    /* line 1 */
    union {
        struct {              /* slab head */
            uint64_t summary; /* bit w set when free word w is not 0; the current window's may be
                                 stale */
            uint32_t next, previous; /* links within the bin's queue */
            uint64_t inline_words[ASH_INLINE_WORDS];
        };
        struct { /* head of a span, live or kept */
            uint64_t requested_bytes;
            uint64_t alignment; /* asked for; 0 for none */
            uint8_t moved; /* its pages came here by a move: the mapping must be normalised when it
                              is freed */
            uint32_t keeper;    /* kept: id of the thread heap */
            uint32_t kept_next; /* kept: link to the one of its list that was freed before */
        } span;
        struct {                             /* free run, first page */
            uint32_t bin_next, bin_previous; /* links within its bin */
            uint32_t dirty_next,
                dirty_previous;   /* links within the list of dirty runs, oldest first */
            uint64_t freed_ms;    /* when the oldest dirty page in it was freed */
            uint32_t dirty_pages; /* of it; 0: not in the dirty list */
        } run;
    };
};
static_assert(sizeof(struct ash_page) == 128, "two cache lines");
static_assert(offsetof(struct ash_page, summary) == ASH_CACHE_LINE, "line 1 is the owner's");
static_assert(offsetof(struct ash_page, inline_words) + ASH_INLINE_WORDS * 8 == 128,
              "words end the line");

/* A size class. */
struct ash_class {
    uint64_t reciprocal;
    uint32_t block_bytes;
    uint16_t block_count; /* of a slab of slab_pages; no slab has more */
    uint8_t slab_pages;   /* preferred; a heap short of pages makes smaller slabs */
    uint8_t spare;
};
static_assert(sizeof(struct ash_class) == 16, "exported");
extern const struct ash_class ash_classes[ASH_CLASS_COUNT];

/* What a thread heap allocates one class from: the current window of the current slab. Line 0 of
 * two halves: malloc touches the first 32 bytes only.
 *
 * `candidates` is a hint: a subset of the current window's free bits, those not yet tried in this
 * sweep. The truth about a block stays its one bit in *word; malloc takes the candidate first and
 * then clears the bit, so the subset relation holds at every instruction. */
struct ash_bin {
    uint64_t candidates;
    uint64_t *word;  /* of the current window; of the heap's no_word when there is no slab */
    uint64_t window; /* address of the current window's first block */
    uint32_t block_bytes;
    uint32_t slab;                   /* link to the current slab */
    uint32_t queue_head, queue_tail; /* links: slabs that got blocks back, first in first out */
    uint32_t slabs;                  /* how many slabs of this class the th owns */
    uint8_t window_index;            /* of the current slab */
    uint8_t class_index;
    uint16_t spare;
    int32_t debt; /* how many blocks the recent sweeps yielded less than they should */
    uint32_t spare2;
    uint64_t spare3;
};
static_assert(sizeof(struct ash_bin) == ASH_CACHE_LINE, "one bin, one line");

enum ash_thread_state {
    ASH_THREAD_UNUSED = 0,
    ASH_THREAD_ACTIVE,
    ASH_THREAD_POOLED,
    ASH_THREAD_DEAD, /* in a forked child that is yet to be mended: its thread is gone */
};

/* Which slow path is under way; 0 for none. A reader outside that sees another value knows that
 * what that path changes may be half done. */
enum ash_transition {
    ASH_QUIET = 0,
    ASH_REFILL,      /* a bin changes its window or slab */
    ASH_COLLECT,     /* remote words are being merged */
    ASH_FREE_WINDOW, /* a free changes a summary, a queue, or gives a slab back */
    ASH_REMOTE,      /* a block of another thread heap is freed; nothing of this one changes */
    ASH_RUNS,        /* pages change hands (heap) */
    ASH_POOL,        /* the thread heap is acquired or released */
    ASH_KEEP,        /* kept spans come and go */
    ASH_RESET,
};

struct ash_heap;

struct ash_thread_heap {
    /* line 0: what every operation reads */
    uint64_t region_base;
    uint64_t page_limit; /* pages known to be committed; may lag behind the heap's */
    struct ash_page *pages;
    struct ash_heap *heap;
    uint32_t id;        /* 1-based */
    uint32_t pool_next; /* id of the next pooled thread heap */
    _Atomic uint8_t transition;
    uint8_t spare;
    uint16_t spare3;
    _Atomic uint32_t
        steps;    /* slow paths and visits begun, but for what changes nothing: ASH_REMOTE.
                               A reader that finds it as it was, and found no mark, saw none */
    int64_t pace; /* mallocs left until the next look at the clock */
    uint32_t looked_ms, dropped_ms; /* when the clock was looked at, and empty slabs given back */
    /* line 1: what others write, and read when they do */
    _Alignas(ASH_CACHE_LINE) _Atomic uint32_t pending; /* link: stack of slabs with remote frees */
    struct ash_lock guest;                             /* a visitor is in: see visit.c */
    _Atomic uint32_t asked;    /* 1: a visitor found the owner at work, which is to collect then */
    _Atomic uint32_t complete; /* pages of slabs that were seen complete since the last collect */
    _Atomic uint32_t walked;   /* slabs that the last visitor left on the stack */
    _Atomic uint8_t state;     /* enum ash_thread_state */
    /* further lines: one per class */
    _Alignas(ASH_CACHE_LINE) struct ash_bin bins[ASH_CLASS_COUNT];
    /* links: freed spans that are kept, last freed first; list by list of pages less 1 */
    uint32_t kept[ASH_KEPT_LISTS];
    /* how many they are, and their pages; others read them: pacing and statistics */
    _Atomic uint32_t kept_spans, kept_pages;
    uint32_t spare2[9];
};
/* No multiple of the OS page, so that a bin of many thread heaps falls into many cache sets. */
enum { ASH_THREAD_HEAP_STRIDE = 3136 };
static_assert(sizeof(struct ash_thread_heap) <= ASH_THREAD_HEAP_STRIDE &&
                  ASH_THREAD_HEAP_STRIDE % ASH_CACHE_LINE == 0,
              "a thread heap fits its stride, and shares no cache line");
static_assert(offsetof(struct ash_thread_heap, pending) == ASH_CACHE_LINE, "line 1");
static_assert(offsetof(struct ash_thread_heap, bins) == 2 * ASH_CACHE_LINE, "bins start a line");
static_assert(offsetof(struct ash_thread_heap, spare2) + 9 * 4 == sizeof(struct ash_thread_heap),
              "no padding");

/* Exact at every moment at which no transition of the heap is under way. Pages. */
struct ash_counts {
    uint64_t committed;
    uint64_t slab, span, free; /* sum: committed; spans: those that are kept, too */
    uint64_t dirty_free;       /* of free: not given back to the system */
    uint64_t free_runs;
    uint64_t slabs, spans;
    uint64_t purged_total; /* pages given back since creation */
    uint64_t moved_spans;  /* live spans whose pages were moved */
};

enum ash_root_flags {
    ASH_ROOT_RESERVED =
        1, /* the heap reserved its address space; else it lives in the caller's memory */
    ASH_ROOT_PURGES = 2, /* clean pages read as zero */
};

/* The exported root: the first bytes of the heap object. From `magic` to `classes` constant after
 * creation and covered by the checksum (with checksum itself taken as 0). */
struct ash_root {
    uint64_t magic;
    uint32_t layout_version;
    uint32_t root_bytes; /* of struct ash_root */
    uint64_t checksum;   /* FNV-1a, 64 bits */
    uint64_t self;       /* address of this root: tells a root from a copy of one */
    uint64_t region_base;
    uint64_t region_pages; /* reserved */
    uint64_t pages;        /* address of page descriptor 0 */
    uint64_t bitmaps;      /* address of page 0's bitmaps */
    uint64_t
        dirty; /* address of the dirty bits: bit set when the page may hold anything but zeros */
    uint64_t thread_heaps; /* address of thread heap 1 */
    uint64_t metadata;     /* address and size of the whole metadata mapping */
    uint64_t metadata_bytes;
    uint64_t no_word;    /* address of the heap's no_word */
    uint32_t page_bytes; /* 65,536 */
    uint32_t descriptor_bytes;
    uint32_t bitmap_stride;
    uint32_t bitmap_remote_bytes; /* offset of the remote words within a page's bitmaps */
    uint32_t thread_heap_stride;
    uint32_t thread_heap_capacity;
    uint32_t heap_bytes; /* of struct ash_heap */
    uint32_t os_page_bytes;
    uint32_t flags; /* enum ash_root_flags */
    uint32_t class_count;
    /* offsets of fields, for readers built without this header */
    uint16_t at_page_words, at_page_owner, at_page_remote_summary, at_page_kind, at_page_class,
        at_page_run_pages;
    uint16_t at_page_summary, at_thread_pending, at_thread_bins, at_thread_transition,
        at_heap_counts, at_spare;
    struct ash_class classes[ASH_CLASS_COUNT];
    /* not constant */
    _Atomic uint32_t
        transition;             /* enum ash_transition, of the heap: set while pages change hands */
    uint32_t thread_heap_count; /* thread heaps ever made: ids 1..count */
    uint32_t pool_head;         /* id of the first pooled thread heap */
    uint32_t acquired;          /* thread heaps acquired now */
    _Atomic uint64_t committed_pages; /* the frontier; = counts.committed outside transitions */
    struct ash_counts counts;
};
static_assert(offsetof(struct ash_root, transition) % 8 == 0,
              "the constant part has no padding at its end");

struct ash_run_bins {
    uint64_t used[ASH_RUN_BIN_WORDS]; /* bit set when the bin has a run */
    uint32_t heads[ASH_RUN_BINS];     /* links to first pages */
    uint32_t dirty_head, dirty_tail;  /* free runs with dirty pages, oldest first */
};

/* What is done with large callocs of one size, as far as was seen: zeroing.c. Hints, right with any
 * values. */
struct ash_habit {
    uint64_t watched; /* address of the OS page that is being watched; 0: none */
    uint16_t touched; /* share of watched pages that were touched, of 65,535 */
    uint8_t seen;     /* pages watched to their end, until they are enough */
    uint8_t wait;     /* callocs until another page is watched */
    uint8_t spare[4];
};
static_assert(sizeof(struct ash_habit) == 16, "no padding");

struct ash_heap {
    struct ash_root root;
    /* Lock order: pool_lock, a thread heap's guest, lock. */
    _Alignas(ASH_CACHE_LINE) struct ash_lock pool_lock; /* thread heaps: count, pool, state */
    struct ash_lock lock;   /* pages: runs, dirty bits, frontier, counts */
    uint32_t decay_ms;      /* UINT32_MAX: never */
    uint32_t kept_most;     /* pages of spans that each thread heap may keep */
    uint64_t next_purge_ms; /* no dirty run is due before */
    struct ash_run_bins runs;
    struct ashlar_os os; /* as the creator gave it; not called by heaps in the caller's memory */
    ashlar_misuse_handler *on_misuse;
    void *misuse_context;
    uint64_t no_word;                /* the word of every bin without a slab: 0, never written */
    uint64_t thread_heaps_committed; /* bytes of the thread heaps' table that can be used */
    uint64_t metadata_committed;     /* bytes, for statistics */
    struct ash_habit habits[ASH_HABITS];
    uint64_t habit_random;
    _Atomic uint64_t next_visit_ms; /* no visit is due before; 0: none is */
    uint32_t fork_took;             /* forks under way: which locks each took, see fork.c */
    _Atomic uint32_t fork_left;     /* a forked child that is yet to be mended */
    /* By page: index + 1 of the class that it last was a slab's page of, 0 for none since it was
     * clean. Hints, right with any values. */
    uint8_t pasts[ASH_PAST_PAGES];
};

ASH_INLINE struct ash_heap *ash_heap_of(struct ashlar_heap *heap) {
    return (struct ash_heap *)(void *)heap;
}
ASH_INLINE struct ash_thread_heap *ash_th_of(struct ashlar_thread_heap *th) {
    return (struct ash_thread_heap *)(void *)th;
}

/* What a page is, for whoever looks while others make slabs and spans: the rest of the
 * descriptor is written before (release) and read after (acquire). */
ASH_INLINE enum ash_page_kind ash_page_kind_of(const struct ash_page *page) {
    return (enum ash_page_kind)__atomic_load_n(&page->kind, __ATOMIC_ACQUIRE);
}
ASH_INLINE void ash_page_set_kind(struct ash_page *page, enum ash_page_kind kind) {
    __atomic_store_n(&page->kind, (uint8_t)kind, __ATOMIC_RELEASE);
}

/* Addresses of things, from numbers. No checks: callers prove the numbers. */
ASH_INLINE struct ash_page *ash_page_at(const struct ash_heap *heap, uint64_t page) {
    return (struct ash_page *)heap->root.pages + page;
}
ASH_INLINE uint64_t ash_page_number(const struct ash_heap *heap, const struct ash_page *page) {
    return (uint64_t)(page - (const struct ash_page *)heap->root.pages);
}
ASH_INLINE uint64_t ash_page_address(const struct ash_heap *heap, uint64_t page) {
    return heap->root.region_base + (page << ASH_PAGE_SHIFT);
}
ASH_INLINE uint64_t *ash_bitmap_words(const struct ash_heap *heap, uint64_t page) {
    return (uint64_t *)(heap->root.bitmaps + page * ASH_BITMAP_STRIDE);
}
ASH_INLINE _Atomic uint64_t *ash_remote_words(const struct ash_heap *heap, uint64_t page) {
    return (_Atomic uint64_t *)(heap->root.bitmaps + page * ASH_BITMAP_STRIDE +
                                ASH_BITMAP_REMOTE_BYTES);
}
ASH_INLINE uint64_t *ash_dirty_words(const struct ash_heap *heap) {
    return (uint64_t *)heap->root.dirty;
}
ASH_INLINE struct ash_thread_heap *ash_thread_heap_at(const struct ash_heap *heap, uint32_t id) {
    return (struct ash_thread_heap *)(heap->root.thread_heaps +
                                      (uint64_t)(id - 1) * heap->root.thread_heap_stride);
}

/* Windows of a slab with so many blocks; the last one may be partial. */
ASH_INLINE unsigned ash_window_count(unsigned block_count) {
    return (block_count + ASH_WINDOW_BLOCKS - 1) / ASH_WINDOW_BLOCKS;
}
/* Blocks of a slab of `pages` pages: as many as fit, but no more than one of full length has. */
ASH_INLINE unsigned ash_slab_blocks(const struct ash_class *class, uint64_t pages) {
    uint64_t fit = (pages << ASH_PAGE_SHIFT) / class->block_bytes;
    return fit < class->block_count ? (unsigned)fit : class->block_count;
}
/* The word of window `window` when all of its blocks are free. */
ASH_INLINE uint64_t ash_full_word(unsigned block_count, unsigned window) {
    unsigned left = block_count - window * ASH_WINDOW_BLOCKS;
    return ash_low_bits(left);
}
/* The number by which the index of a block is found, and whether one starts there, in a slab of
 * `count` blocks of `bytes` bytes: the smallest R with bytes * R >= 2^64 + ceil(2^36 / count).
 *
 * For an offset q * bytes + r in the slab, the product with R has the high half q. Its low half is
 * q * e, with e = bytes * R - 2^64, when r is 0; when it is not, at least R, which is over 2^47.
 * e is at least 2^36 / count and less than that + bytes + 1, so q * e is below 2^36 just when q is
 * below count: (count - 1) * (bytes + 1) is less than 2^36 / count, as count^2 * (bytes + 1) is at
 * most 2^35. So one comparison tells both that a block starts there and that there is such a block.
 * After the published method of Lemire, Kaser, Kurz, "Faster remainder by direct computation"
 * (2019). */
enum { ASH_STARTS_BITS = 36 };
#define ASH_RECIPROCAL(bytes, count)                                                               \
    (UINT64_MAX / (bytes) +                                                                        \
     (UINT64_MAX % (bytes) + 1 + (((uint64_t)1 << ASH_STARTS_BITS) + (count)-1) / (count) +        \
      (bytes)-1) /                                                                                 \
         (bytes))
ASH_INLINE uint64_t ash_reciprocal(uint64_t bytes, uint64_t count) {
    return ASH_RECIPROCAL(bytes, count);
}
/* Index of the block that starts at or before `offset_bytes`; *starts tells whether it starts
 * there, and is one of the slab's. */
ASH_INLINE uint64_t ash_block_index(uint64_t offset_bytes, uint64_t reciprocal, bool *starts) {
    uint64_t index;
    *starts = ash_multiply(offset_bytes, reciprocal, &index) >> ASH_STARTS_BITS == 0;
    return index;
}

#endif
