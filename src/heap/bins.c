/* Bins: how a thread heap walks through the windows of its slabs.
 *
 * 1. Purpose. The fast path takes the lowest candidate of the current window. When none is left,
 *    this file finds the next window, so that the average refill yields many blocks and little
 *    memory is touched that was not touched before.
 * 2. Sweeping. The windows of a slab are visited in ascending order and then again from the
 *    start, so that free bits gather in a window until its turn comes; always taking the lowest
 *    free bit would find one at a time. A window that is at least a sixteenth free when its
 *    candidates run out is used again at once: what was just freed there is in caches. In a bin's
 *    only slab it has to be a quarter: there the other windows are in caches, too, and each refill
 *    costs mispredicted branches.
 *    Where a class has several slabs, what a refill finds is fetched into the caches at once, many
 *    lines at a time, rather than one after the other as the program writes to the blocks.
 *    What others freed is collected when a sweep ends, and with each look at the clock. Were it at
 *    each refill, the threads that free would find words, summaries and the stack empty each time,
 *    and do for every block what they need do once for many (remote.c, F3 to F5).
 * 3. Opened windows. A new slab's windows are opened one after the other; those not yet opened
 *    have never been touched.
 *    Of the first window of a bin's only slab, no more than are live in it are offered at once, or
 *    some KiB of them: a class with few blocks touches little.
 * 4. Debt. A refill that yields less than an eighth of a window, a quarter in a bin's only slab,
 *    adds what is missing to the bin's debt; one that yields more pays it off. At the end of a
 *    sweep a bin whose debt has reached a window per slab buys a new window, or a new slab; a bin
 *    with less goes to the next slab in its queue or sweeps again. So memory grows by at most about
 *    an eighth over what is live, a quarter in an only slab, and only while refills are poor.
 * 5. Time. No thread serves the heap, so it looks at the clock in passing, every so many mallocs. A
 *    look gives back the pages that are due and, once per decay, the current slabs that are all
 *    free. While pages wait to be given back and looks come slowly, a refill hands out one
 *    candidate and the next malloc looks again: a program that allocates now and then is not left
 *    with the pages of its peak.
 * 6. Failure. When no page can be had, whatever free block there is serves, however poor. */
#include "heap/bins.h"

#include "heap/kept.h"
#include "heap/remote.h"
#include "heap/runs.h"

enum {
    OFFER_BYTES = 8192,         /* of a first window at once: two OS pages .. */
    OFFER_LEAST = 16,           /* .. and so many blocks */
    YIELD_SHARE = 8,            /* a refill should yield at least this part of a window .. */
    YIELD_SHARE_ONLY = 4,       /* .. and this in a bin's only slab */
    STAY_SHARE = 16,            /* a window this free is used again .. */
    STAY_SHARE_ONLY = 4,        /* .. and this in a bin's only slab */
    LOOK_MALLOCS = 1024,        /* between looks at the clock; a refill counts as a full window */
    LOOK_MALLOCS_WAITING = 256, /* the same while pages wait */
    SLOW_MS = 8,                /* looks this far apart come slowly then */
    DEBT_MOST = 1 << 30,
};

void ash_bin_init(struct ash_bin *bin, struct ash_heap *heap, unsigned class_index) {
    *bin = (struct ash_bin){.word = &heap->no_word,
                            .block_bytes = ash_classes[class_index].block_bytes,
                            .class_index = (uint8_t)class_index};
}

/* Blocks of a window; the last has fewer. */
static unsigned window_blocks(const struct ash_page *head, unsigned window) {
    unsigned rest = head->block_count - window * ASH_WINDOW_BLOCKS;
    return rest < ASH_WINDOW_BLOCKS ? rest : ASH_WINDOW_BLOCKS;
}

/* Opened windows of the current slab that hold free blocks. The current window's bit may be stale.
 */
static uint64_t bin_windows(const struct ash_bin *bin, const struct ash_page *head) {
    uint64_t windows = head->summary & ash_low_bits(head->opened_windows);
    bool stale = ash_word_get(bin->word) == 0;
    return stale ? windows & ~((uint64_t)1 << bin->window_index) : windows;
}

/* The bin stops allocating from its current window: from here on the summary has to be right about
 * it. */
static void bin_close(struct ash_bin *bin, struct ash_heap *heap, struct ash_page *head) {
    bin->candidates = 0; /* no moment with candidates of one window over the word of another */
    atomic_signal_fence(memory_order_seq_cst);
    if (!ASH_PLANTED(3) && bin->word != &heap->no_word && ash_word_get(bin->word) == 0)
        head->summary &= ~((uint64_t)1 << bin->window_index);
}

/* The candidates of the current window, whose free blocks are `word`: of the first window of an
 * only slab as many as are live there and no more, from the lowest on; else all. */
static uint64_t bin_offer(const struct ash_bin *bin, uint64_t word) {
    if (bin->slabs > 1 || bin->window_index > 0 || word == 0) return word;
    unsigned live = ASH_WINDOW_BLOCKS - ash_count_bits(word), few = OFFER_LEAST;
    while (few < ASH_WINDOW_BLOCKS && few * bin->block_bytes < OFFER_BYTES) few *= 2;
    return word & ash_low_bits(ash_lowest_bit(word) + (live > few ? live : few));
}

static void bin_open(struct ash_bin *bin, struct ash_heap *heap, struct ash_page *head,
                     unsigned window) {
    uint64_t start = ash_page_address(heap, ash_page_number(heap, head));
    bin_close(bin, heap, head);
    bin->word = &head->words[window];
    bin->window = start + (uint64_t)window * ASH_WINDOW_BLOCKS * bin->block_bytes;
    bin->window_index = (uint8_t)window;
    atomic_signal_fence(memory_order_seq_cst);
    bin->candidates = bin_offer(bin, ash_word_get(bin->word));
}

/* Has the candidates fetched, the first line of each: the blocks of a class with several slabs may
 * have left the caches since they were freed, and each malloc would wait for its own. */
static void bin_fetch(const struct ash_bin *bin) {
    if (bin->slabs == 1) return;
    for (uint64_t left = bin->candidates; left != 0; left &= left - 1)
        __builtin_prefetch((const void *)(bin->window + ash_lowest_bit(left) * bin->block_bytes),
                           1);
}

/* Opens a window that was used before, and books its yield. */
static void bin_sweep_to(struct ash_bin *bin, struct ash_heap *heap, struct ash_page *head,
                         unsigned window) {
    bin_open(bin, heap, head, window);
    bin_fetch(bin);
    unsigned share = bin->slabs == 1 ? YIELD_SHARE_ONLY : YIELD_SHARE;
    int32_t goal = (int32_t)(window_blocks(head, 0) / share);
    if (goal == 0) goal = 1;
    bin->debt += goal - (int32_t)ash_count_bits(bin->candidates);
    if (bin->debt < 0) bin->debt = 0;
    if (bin->debt > DEBT_MOST) bin->debt = DEBT_MOST;
}

/* Opens the next window that was never used; false when there is none. */
static bool bin_open_new(struct ash_bin *bin, struct ash_heap *heap, struct ash_page *head) {
    if (head->opened_windows >= ash_window_count(head->block_count)) return false;
    bin->debt = 0;
    bin_open(bin, heap, head, head->opened_windows++);
    return true;
}

/* The current slab becomes a queued or a full one. */
static void bin_leave(struct ash_bin *bin, struct ash_heap *heap) {
    struct ash_page *head = ash_slab_linked(heap, bin->slab);
    if (head == NULL) return;
    bin_close(bin, heap, head);
    bin->word = &heap->no_word;
    bin->window = 0;
    bin->window_index = 0;
    bin->slab = 0;
    if (head->summary != 0)
        ash_queue_push(bin, heap, head);
    else
        head->place = ASH_SLAB_FULL;
    ash_slab_left(heap, head);
}

/* A slab with free blocks, in no list, becomes the current one. */
static void bin_enter(struct ash_bin *bin, struct ash_heap *heap, struct ash_page *head) {
    bin_leave(bin, heap);
    bin->slab = ash_slab_link(heap, head);
    head->place = ASH_SLAB_CURRENT;
    ASH_YIELD(ENTER);
    uint64_t opened = head->summary & ash_low_bits(head->opened_windows);
    if (opened != 0)
        bin_sweep_to(bin, heap, head, ash_lowest_bit(opened));
    else
        bin_open_new(bin, heap, head);
}

static bool bin_enter_queued(struct ash_bin *bin, struct ash_heap *heap) {
    struct ash_page *head = ash_slab_linked(heap, bin->queue_head);
    if (head == NULL) return false;
    ash_queue_remove(bin, heap, head);
    bin_enter(bin, heap, head);
    return true;
}

static bool bin_enter_new(struct ash_thread_heap *th, struct ash_bin *bin) {
    struct ash_page *head = ash_slab_create(th, bin->class_index);
    if (head == NULL) return false;
    bin->debt = 0;
    bin_enter(bin, th->heap, head);
    return true;
}

/* Starts over in the current slab. */
static bool bin_sweep_again(struct ash_bin *bin, struct ash_heap *heap) {
    struct ash_page *head = ash_slab_linked(heap, bin->slab);
    uint64_t opened = head == NULL ? 0 : bin_windows(bin, head);
    if (opened == 0) return false;
    bin_sweep_to(bin, heap, head, ash_lowest_bit(opened));
    return true;
}

/* The sweep over the current slab has ended, or there is none. */
static bool bin_next_sweep(struct ash_thread_heap *th, struct ash_bin *bin) {
    struct ash_heap *heap = th->heap;
    struct ash_page *head = ash_slab_linked(heap, bin->slab);
    bool poor = head != NULL && bin->debt >= (int32_t)(bin->slabs * window_blocks(head, 0));
    if (!poor && (bin_enter_queued(bin, heap) || bin_sweep_again(bin, heap))) return true;
    if (head != NULL && bin_open_new(bin, heap, head)) return true;
    if (bin_enter_new(th, bin)) return true;
    ash_bins_drop_spare(th);
    return bin_enter_new(th, bin) || bin_enter_queued(bin, heap) || bin_sweep_again(bin, heap);
}

/* Uses the current window again when enough of it is free: of its own blocks, since a last window
 * has fewer. So one that is all free is never left, and no slab is queued with nothing live in it.
 */
static bool bin_stays(struct ash_bin *bin, const struct ash_page *head) {
    uint64_t left = ash_word_get(bin->word);
    if (left == 0) return false;
    unsigned all = window_blocks(head, bin->window_index);
    if (ASH_PLANTED(30) && all < window_blocks(head, 0)) return false;
    unsigned share = bin->slabs == 1 ? STAY_SHARE_ONLY : STAY_SHARE;
    if (ash_count_bits(left) * share < all) return false;
    bin->candidates = bin_offer(bin, left);
    bin_fetch(bin);
    return true;
}

/* The next window of this sweep; false when it has ended. */
static bool bin_sweep_on(struct ash_bin *bin, struct ash_heap *heap) {
    struct ash_page *head = ash_slab_linked(heap, bin->slab);
    if (head == NULL) return false;
    if (bin_stays(bin, head)) return true;
    uint64_t later = bin_windows(bin, head) & ~ash_low_bits(bin->window_index + 1U);
    if (later == 0) return false;
    bin_sweep_to(bin, heap, head, ash_lowest_bit(later));
    return true;
}

bool ash_bins_look(struct ash_thread_heap *th) {
    struct ash_heap *heap = th->heap;
    th->pace = LOOK_MALLOCS;
    if (heap->decay_ms == UINT32_MAX) return false;
    uint64_t now = heap->os.now_ms(heap->os.context);
    bool slow = (uint32_t)now - th->looked_ms >= SLOW_MS;
    th->looked_ms = (uint32_t)now;
    if ((uint32_t)now - th->dropped_ms >= heap->decay_ms) {
        th->dropped_ms = (uint32_t)now;
        ash_bins_drop_empty(th);
    }
    ash_visits_look(th, now);
    if (!ash_runs_wait(heap)) return false;
    th->pace = slow ? 1 : LOOK_MALLOCS_WAITING;
    if (ash_runs_due(heap, now)) {
        ash_lock_take(&heap->lock);
        ash_runs_begin(heap);
        ash_runs_tick(heap);
        ash_runs_end(heap);
        ash_lock_give(&heap->lock);
    }
    return slow;
}

void ash_bins_shorten(struct ash_thread_heap *th) {
    th->pace = 1;
    for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++) {
        struct ash_bin *bin = &th->bins[class_index];
        bin->candidates &= -bin->candidates;
    }
}

bool ash_bin_refill(struct ash_thread_heap *th, struct ash_bin *bin) {
    uint32_t before = ash_transition_begin(th, ASH_REFILL);
    th->pace -= ASH_WINDOW_BLOCKS;
    bool due = th->pace <= 0, slow = due && ash_bins_look(th);
    bool done = !due && bin_sweep_on(bin, th->heap);
    if (!done) {
        ash_collect_pending(th); /* which may find a current slab all free: it is not left then */
        done = bin_sweep_on(bin, th->heap) || bin_next_sweep(th, bin);
    }
    if (slow) bin->candidates &= -bin->candidates;
    ash_transition_end(th, before);
    return done;
}

void ash_bin_drop_empty(struct ash_thread_heap *th, struct ash_bin *bin) {
    struct ash_page *head = ash_slab_linked(th->heap, bin->slab);
    if (head == NULL || !ash_slab_idle(th->heap, head)) return;
    bin_leave(bin, th->heap);
    ash_queue_remove(bin, th->heap, head); /* leaving queued it: it has free blocks */
    ash_slab_release(th, head);
}

void ash_bins_drop_empty(struct ash_thread_heap *th) {
    uint32_t before = ash_transition_begin(th, ASH_REFILL);
    for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++)
        ash_bin_drop_empty(th, &th->bins[class_index]);
    ash_kept_give(th);
    ash_transition_end(th, before);
}

void ash_bins_drop_spare(struct ash_thread_heap *th) {
    ash_collect_pending(th);
    ash_bins_drop_empty(th);
    ash_visit_all(th->heap, th);
}

void ash_bins_leave(struct ash_thread_heap *th) {
    uint32_t before = ash_transition_begin(th, ASH_REFILL);
    for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++)
        bin_leave(&th->bins[class_index], th->heap);
    ash_transition_end(th, before);
}
