/* Slabs, each as the walk of the pages pass comes to it. Proves what each slab is, and the state of
 * each of its blocks.
 *
 * Proves: SLAB_CLASS, SLAB_GEOMETRY, SLAB_WORDS, SLAB_OWNER, SLAB_PLACE (300..304: together the
 * identity that thread heaps' lists rely on), SLAB_LINKS, SLAB_SPARE (312, 313), and but for the
 * quick tier SLAB_TAIL, SLAB_SUMMARY_LOST, SLAB_SUMMARY_STALE, SLAB_OPENED, SLAB_REMOTE_TAIL,
 * SLAB_REMOTE_DOUBLE, SLAB_REMOTE_SUMMARY, SLAB_EMPTY (305..311, 314).
 *
 * Relies on: the region pass, and the shape of each head (pages pass).
 *
 * A slab whose class or geometry is wrong has no windows to speak of: its words are left out. The
 * words pointer is compared, never followed. */
#include "check/pass.h"

/* A slab whose class and geometry are proved. */
struct slab {
    const struct ash_page *head;
    const struct ash_thread_heap *owner; /* NULL when it cannot be read */
    uint64_t page;
    uint32_t owner_id; /* 0 when unknown */
    unsigned windows;
    bool words_inline;
    bool changing; /* its owner's slow path may have half done something */
    bool watched;  /* its owner runs: see check.c, section 6 */
};

static void slab_wrong(struct ash_check *check, const struct slab *slab,
                       enum ashlar_finding_code code, size_t offset, uint64_t expected,
                       uint64_t found) {
    if (code <= ASHLAR_SLAB_PLACE) check->identities = false;
    ASH_FOUND(check, .code = code, .page = slab->page, .thread_heap = slab->owner_id,
              .address = ash_at_field(check, slab->page, offset), .expected = expected,
              .found = found);
}
#define SLAB_WRONG(check, slab, code, field, expected)                                             \
    slab_wrong((check), (slab), (code), offsetof(struct ash_page, field), (expected),              \
               (uint64_t)(slab)->head->field)

/* Class, and what follows from class and length. */
static bool slab_geometry(struct ash_check *check, struct slab *slab, uint64_t pages) {
    const struct ash_page *head = slab->head;
    if (head->class_index >= ASH_CLASS_COUNT) {
        SLAB_WRONG(check, slab, ASHLAR_SLAB_CLASS, class_index, ASH_CLASS_COUNT - 1);
        return false;
    }
    const struct ash_class *class = &check->heap->root.classes[head->class_index];
    const enum ashlar_finding_code code = ASHLAR_SLAB_GEOMETRY;
    unsigned blocks = class->block_count; /* proved, and spares most slabs the divisions */
    uint64_t reciprocal = class->reciprocal;
    if (pages != class->slab_pages) {
        blocks = ash_slab_blocks(class, pages);
        reciprocal = ash_reciprocal(class->block_bytes, blocks);
    }
    slab->windows = ash_window_count(blocks);
    slab->words_inline = slab->windows <= ASH_INLINE_WORDS;
    if (pages > class->slab_pages)
        SLAB_WRONG(check, slab, code, slab_pages, class->slab_pages);
    else if (head->block_count != blocks)
        SLAB_WRONG(check, slab, code, block_count, blocks);
    else if (head->reciprocal != reciprocal)
        SLAB_WRONG(check, slab, code, reciprocal, reciprocal);
    else if (head->full_tail != ash_full_word(blocks, slab->windows - 1))
        SLAB_WRONG(check, slab, code, full_tail, ash_full_word(blocks, slab->windows - 1));
    else if (head->page_offset_bytes != 0)
        SLAB_WRONG(check, slab, code, page_offset_bytes, 0);
    else
        return true;
    return false;
}

static void slab_owner(struct ash_check *check, struct slab *slab, struct ash_thread_view *owners) {
    uint64_t owner =
        (uint64_t)(uintptr_t)atomic_load_explicit(&slab->head->owner, memory_order_relaxed);
    uint32_t id = ash_check_thread_id(check, owner);
    if (id == 0) {
        slab_wrong(check, slab, ASHLAR_SLAB_OWNER, offsetof(struct ash_page, owner), 0, owner);
        return;
    }
    slab->owner_id = id;
    slab->owner = ash_check_thread(check, owners, id);
    if (slab->owner == NULL) return;
    slab->changing = ash_check_changing(check, slab->owner, id);
    slab->watched = !slab->changing && ash_check_runs(check, id);
}

/* Whether the bin's current slab, which is not this one, is a right one. When it is not, the
 * threads pass reports the bin. */
static bool slab_other_current(struct ash_check *check, const struct slab *slab, uint32_t link) {
    struct ash_page copy;
    if (link == 0 || link > check->frontier) return link == 0;
    const struct ash_page *other = ash_check_page(check, link - 1, &copy);
    return other != NULL && other->kind == ASH_PAGE_SLAB && other->place == ASH_SLAB_CURRENT &&
           other->class_index == slab->head->class_index;
}

static uint32_t slab_link(const struct slab *slab) {
    return (uint32_t)slab->page + 1;
}

/* The place that a slab should be in, as far as that can be told: its own when nothing speaks
 * against it. `summary` is made from the words where they were read, else the slab's own. */
static unsigned slab_right_place(struct ash_check *check, const struct slab *slab,
                                 uint64_t summary) {
    const struct ash_page *head = slab->head;
    if (head->place > ASH_SLAB_CURRENT) return ASH_SLAB_CURRENT;
    if (head->place < ASH_SLAB_CURRENT) return summary != 0 ? ASH_SLAB_QUEUED : ASH_SLAB_FULL;
    if (slab->owner == NULL) return ASH_SLAB_CURRENT;
    uint32_t current = slab->owner->bins[head->class_index].slab;
    bool other = current != slab_link(slab) && slab_other_current(check, slab, current);
    return other ? ASH_SLAB_FULL : ASH_SLAB_CURRENT;
}

static void slab_place(struct ash_check *check, const struct slab *slab, uint64_t summary) {
    const struct ash_page *head = slab->head;
    unsigned right = slab_right_place(check, slab, summary);
    if (head->place != right)
        SLAB_WRONG(check, slab, ASHLAR_SLAB_PLACE, place, right);
    else if (head->place != ASH_SLAB_QUEUED && (head->next != 0 || head->previous != 0))
        SLAB_WRONG(check, slab, ASHLAR_SLAB_LINKS, next, 0);
    if (atomic_load_explicit(&head->remote_summary, memory_order_relaxed) == 0 &&
        atomic_load_explicit(&head->pending_next, memory_order_relaxed) != 0 &&
        check->reader->quiescent)
        SLAB_WRONG(check, slab, ASHLAR_SLAB_LINKS, pending_next, 0);
}

/* What a scan over the windows gathers. */
struct scan {
    uint64_t summary, remote_summary; /* as the words say */
    uint64_t beyond, remote_beyond;   /* windows with bits of blocks that do not exist */
    uint64_t both;                    /* windows with blocks free on both sides */
    uint64_t touched;                 /* windows that are not entirely free */
    uint64_t free, remote;            /* blocks */
};

/* The loop of the whole check: almost every window is entirely free, entirely taken, or at least
 * without remote frees. */
static void slab_scan(const struct slab *slab, const uint64_t *words, const uint64_t *remote,
                      struct scan *scan) {
    uint64_t summary = 0, touched = 0, beyond = 0, free = 0;
    uint64_t full = UINT64_MAX, bit = 1;
    *scan = (struct scan){0};
    for (unsigned window = 0; window < slab->windows; window++, bit <<= 1) {
        uint64_t word = words[window], other = remote[window];
        if (window + 1 == slab->windows) full = slab->head->full_tail;
        if (ASH_UNLIKELY(other != 0)) {
            scan->remote_summary |= bit;
            scan->remote_beyond |= (other & ~full) != 0 ? bit : 0;
            scan->both |= (other & word) != 0 ? bit : 0;
            scan->remote += ash_count_bits(other);
            touched |= bit;
        }
        if (word != 0) summary |= bit;
        if (word == UINT64_MAX && full == UINT64_MAX) {
            free += ASH_WINDOW_BLOCKS;
            continue;
        }
        if ((~word & full) != 0) touched |= bit;
        if (word == 0) continue;
        if ((word & ~full) != 0) beyond |= bit;
        free += ash_count_bits(word);
    }
    scan->summary = summary;
    scan->touched = touched;
    scan->beyond = beyond;
    scan->free = free;
}

/* One finding for each window whose bit is set. */
static void slab_windows(struct ash_check *check, const struct slab *slab,
                         enum ashlar_finding_code code, uint64_t windows, uint64_t address,
                         unsigned stride) {
    for (; windows != 0; windows &= windows - 1) {
        unsigned window = ash_lowest_bit(windows);
        ASH_FOUND(check, .code = code, .page = slab->page, .thread_heap = slab->owner_id,
                  .index = window, .address = address + window * stride);
    }
}

/* Summaries against words, both ways. */
static void slab_summaries(struct ash_check *check, const struct slab *slab,
                           const struct scan *scan) {
    const struct ash_page *head = slab->head;
    uint64_t at = ASH_AT(check, slab->page, summary);
    /* The bit of the current window may be set over a word that the fast path emptied. Where the
     * bin does not tell which window that is, which is found elsewhere, it may be any. */
    uint64_t current = head->place == ASH_SLAB_CURRENT ? ash_low_bits(slab->windows) : 0;
    if (current != 0 && slab->owner != NULL) {
        const struct ash_bin *bin = &slab->owner->bins[head->class_index];
        if (bin->slab == slab_link(slab) && bin->window_index < slab->windows)
            current = (uint64_t)1 << bin->window_index;
    }
    uint64_t stale = head->summary & ~scan->summary & ~current;
    uint64_t remote = atomic_load_explicit(&head->remote_summary, memory_order_relaxed);
    if (ASH_LIKELY(head->summary == scan->summary && (remote | scan->remote_summary) == 0)) return;
    slab_windows(check, slab, ASHLAR_SLAB_SUMMARY_LOST, scan->summary & ~head->summary, at, 0);
    slab_windows(check, slab, ASHLAR_SLAB_SUMMARY_STALE, stale, at, 0);
    bool muted = check->muted;
    check->muted = muted || !check->reader->quiescent; /* a remote free between two of its steps */
    slab_windows(check, slab, ASHLAR_SLAB_REMOTE_SUMMARY, scan->remote_summary & ~remote,
                 ASH_AT(check, slab->page, remote_summary), 0);
    check->muted = muted;
    uint64_t none = remote & ~ash_low_bits(slab->windows);
    slab_windows(check, slab, ASHLAR_SLAB_REMOTE_TAIL, none,
                 ASH_AT(check, slab->page, remote_summary), 0);
}

/* A slab with nothing live in it goes back at once, unless its bin allocates from it. */
static void slab_empty(struct ash_check *check, const struct slab *slab, const struct scan *scan) {
    if (slab->head->place == ASH_SLAB_CURRENT || scan->free < slab->head->block_count) return;
    bool muted = check->muted;
    check->muted = muted || !check->reader->quiescent;
    SLAB_WRONG(check, slab, ASHLAR_SLAB_EMPTY, place, ASH_SLAB_CURRENT);
    check->muted = muted;
}

/* Of windows whose blocks were free and remotely freed at once: those where one still is, by words
 * read after the remote ones. */
static uint64_t slab_both_again(struct ash_check *check, uint64_t windows, uint64_t words_at,
                                const uint64_t *remote) {
    for (uint64_t left = windows; left != 0; left &= left - 1) {
        unsigned window = ash_lowest_bit(left);
        uint64_t copy;
        const uint64_t *word =
            (const uint64_t *)ash_check_view(check, words_at + window * 8, sizeof copy, &copy);
        if (word == NULL || (*word & remote[window]) == 0) windows &= ~((uint64_t)1 << window);
    }
    return windows;
}

/* The state of each block. Returns the summary that the words make. */
static uint64_t slab_blocks(struct ash_check *check, const struct slab *slab) {
    const struct ash_page *head = slab->head;
    uint64_t copy[2 * ASH_WINDOWS_MAX];
    const uint64_t remote_at = ASH_BITMAP_REMOTE_BYTES / sizeof(uint64_t);
    uint64_t at = check->heap->root.bitmaps + slab->page * ASH_BITMAP_STRIDE;
    size_t skip = slab->words_inline ? remote_at : 0;
    size_t count = remote_at + slab->windows - skip;
    const uint64_t *bits = (const uint64_t *)ash_check_view(check, at + skip * sizeof *bits,
                                                            count * sizeof *bits, copy);
    if (bits == NULL) return head->summary;
    const uint64_t *words = slab->words_inline ? head->inline_words : bits;
    struct scan scan;
    slab_scan(slab, words, bits + (remote_at - skip), &scan);
    uint64_t words_at = slab->words_inline ? ASH_AT(check, slab->page, inline_words) : at;
    uint64_t remote_words_at = at + ASH_BITMAP_REMOTE_BYTES;
    if (ASH_UNLIKELY(slab->watched && scan.both != 0))
        scan.both = slab_both_again(check, scan.both, words_at, bits + (remote_at - skip));
    if (ASH_UNLIKELY((scan.beyond | scan.remote_beyond | scan.both) != 0)) {
        slab_windows(check, slab, ASHLAR_SLAB_TAIL, scan.beyond, words_at, 8);
        slab_windows(check, slab, ASHLAR_SLAB_REMOTE_TAIL, scan.remote_beyond, remote_words_at, 8);
        slab_windows(check, slab, ASHLAR_SLAB_REMOTE_DOUBLE, scan.both, remote_words_at, 8);
    }
    for (unsigned word = slab->words_inline ? slab->windows : 0; word < ASH_INLINE_WORDS; word++)
        if (head->inline_words[word] != 0)
            ASH_FOUND(check, .code = ASHLAR_SLAB_TAIL, .page = slab->page, .index = word,
                      .address = ASH_AT(check, slab->page, inline_words) + 8 * (uint64_t)word,
                      .found = head->inline_words[word]);
    uint64_t unopened = ash_low_bits(slab->windows) & ~ash_low_bits(head->opened_windows);
    if (head->opened_windows > slab->windows || (scan.touched & unopened) != 0)
        SLAB_WRONG(check, slab, ASHLAR_SLAB_OPENED, opened_windows, slab->windows);
    slab_summaries(check, slab, &scan);
    slab_empty(check, slab, &scan);
    check->report->blocks_checked += head->block_count;
    check->report->live_blocks += head->block_count - scan.free - scan.remote;
    return scan.summary;
}

/* Of (owner, class), for the fingerprint: see threads.c. */
static void slab_count(struct ash_check *check, const struct slab *slab, uint64_t pages) {
    struct ash_tally *tally = &check->tally;
    tally->slabs++;
    tally->slab_pages += pages;
    if (slab->changing || slab->watched || slab->owner_id == 0) return;
    tally->queued += slab->head->place == ASH_SLAB_QUEUED;
    tally->pending += atomic_load_explicit(&slab->head->remote_summary, memory_order_relaxed) != 0;
    tally->owned += ash_check_owned(slab->owner_id, slab->head->class_index);
}

/* What the owner may be changing. */
static void slab_state(struct ash_check *check, const struct slab *slab, uint64_t pages) {
    bool muted = check->muted;
    check->muted = muted || slab->changing;
    if (slab->changing) check->report->pages_changing += pages;
    uint64_t summary = slab->head->summary;
    if (check->tier != ASHLAR_CHECK_QUICK) summary = slab_blocks(check, slab);
    slab_place(check, slab, summary);
    check->muted = muted;
}

/* The same where the owner runs: from a copy of the head that is younger than that of the owner. */
static void slab_state_watched(struct ash_check *check, struct slab *slab, uint64_t pages,
                               const struct ash_thread_view *owners) {
    struct ash_page copy;
    const bool identities = check->identities;
    slab->head = ash_check_page(check, slab->page, &copy);
    if (slab->head == NULL) return;
    ash_check_watch(check);
    slab_state(check, slab, pages);
    if (ash_check_settle(check, owners)) return;
    check->identities = identities;
    check->report->pages_changing += pages;
}

void ash_check_slab(struct ash_check *check, const struct ash_head *found,
                    struct ash_thread_view *owners) {
    struct slab slab = {.head = found->descriptor, .page = found->page};
    const struct ash_page *head = slab.head;
    if (!slab_geometry(check, &slab, found->pages)) {
        slab_count(check, &slab, found->pages);
        return;
    }
    slab_owner(check, &slab, owners);
    uint64_t words = slab.words_inline ? ASH_AT(check, slab.page, inline_words)
                                       : check->heap->root.bitmaps + slab.page * ASH_BITMAP_STRIDE;
    if ((uint64_t)(uintptr_t)head->words != words)
        slab_wrong(check, &slab, ASHLAR_SLAB_WORDS, offsetof(struct ash_page, words), words,
                   (uint64_t)(uintptr_t)head->words);
    if (head->spare != 0) SLAB_WRONG(check, &slab, ASHLAR_SLAB_SPARE, spare, 0);
    slab_count(check, &slab, found->pages);
    if (ASH_UNLIKELY(slab.watched))
        slab_state_watched(check, &slab, found->pages, owners);
    else
        slab_state(check, &slab, found->pages);
}
