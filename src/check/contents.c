/* Pass 6: contents, in the audit only. Proves what memory holds where bookkeeping says it is zero.
 *
 * Proves: CONTENTS_CLEAN (700: pages below the frontier whose dirty bit is clear read as zero, in
 * heaps that purge), CONTENTS_BITMAPS (701: words of the bitmaps that no slab uses are zero; the
 * next slab there starts with its remote words as they are).
 *
 * Relies on: the region pass, the shape of each head, dirty bits of live pages (runs.c).
 *
 * Cost: each clean page is read once, at the speed of memory. Reading a page that was never touched
 * maps the system's shared page of zeros: that is not counted as resident, and takes page tables
 * only, 8 bytes per OS page, so 2 MiB for each GiB of clean pages. Readers that copy get one OS
 * page at a time. */
#include "check/pass.h"

enum { AUDIT_BYTES = 4096 };

static bool audit_zeros(struct ash_check *check, uint64_t address, uint64_t bytes,
                        uint64_t *wrong_at) {
    uint64_t copy[AUDIT_BYTES / 8];
    for (uint64_t at = 0; at < bytes; at += AUDIT_BYTES) {
        size_t piece = bytes - at < AUDIT_BYTES ? bytes - at : AUDIT_BYTES;
        const uint64_t *words = (const uint64_t *)ash_check_view(check, address + at, piece, copy);
        if (words == NULL || ash_check_zeros(words, piece)) continue;
        size_t word = 0;
        while (words[word] == 0) word++;
        *wrong_at = address + at + word * 8;
        return false;
    }
    return true;
}

static void audit_clean(struct ash_check *check, const struct ash_head *head) {
    for (uint64_t page = head->page; page < head->page + head->pages; page++) {
        uint64_t dirty, wrong;
        if (!ash_check_dirty(check, page, 1, &dirty) || dirty != 0) continue;
        uint64_t address = check->heap->root.region_base + (page << ASH_PAGE_SHIFT);
        if (!audit_zeros(check, address, ASH_PAGE_BYTES, &wrong))
            ASH_FOUND(check, .code = ASHLAR_CONTENTS_CLEAN, .page = page, .address = wrong);
    }
}

static void audit_part(struct ash_check *check, uint64_t page, uint64_t from, uint64_t to) {
    uint64_t wrong, at = check->heap->root.bitmaps + page * ASH_BITMAP_STRIDE;
    if (from < to && !audit_zeros(check, at + from, to - from, &wrong))
        ASH_FOUND(check, .code = ASHLAR_CONTENTS_BITMAPS, .page = page, .address = wrong);
}

static void audit_bitmaps(struct ash_check *check, const struct ash_head *head) {
    uint64_t first = head->page, end = first + head->pages;
    if (head->kind == ASH_PAGE_SLAB && head->descriptor->class_index < ASH_CLASS_COUNT) {
        const struct ash_class *class = &check->heap->root.classes[head->descriptor->class_index];
        unsigned windows = ash_window_count(ash_slab_blocks(class, head->pages));
        uint64_t used = windows <= ASH_INLINE_WORDS ? 0 : windows * sizeof(uint64_t);
        uint64_t remote = ASH_BITMAP_REMOTE_BYTES + windows * sizeof(uint64_t);
        audit_part(check, first, used, ASH_BITMAP_REMOTE_BYTES);
        audit_part(check, first, remote, ASH_BITMAP_STRIDE);
        first++;
    }
    for (uint64_t page = first; page < end; page++) audit_part(check, page, 0, ASH_BITMAP_STRIDE);
}

void ash_pass_contents(struct ash_check *check) {
    struct ash_walk walk;
    struct ash_head head = {0};
    bool purges = (check->heap->root.flags & ASH_ROOT_PURGES) != 0;
    walk.first = walk.count = 0;
    check->muted = check->moving;
    while (ash_next_head(check, &walk, &head)) {
        audit_bitmaps(check, &head);
        if (purges && head.kind == ASH_PAGE_FREE) audit_clean(check, &head);
    }
    check->muted = false;
}
