/* From a pointer to what it points at.
 *
 * Every operation but the fast paths comes through here, and nothing is trusted before it is
 * proved: the page lies below the frontier, its descriptor says slab or span, the address is a
 * block's start, the block is live. What fails names the misuse. */
#include "heap/locate.h"

#include "heap/misuse.h"
#include "heap/remote.h"
#include "heap/runs.h"
#include "heap/slabs.h"
#include "heap/spans.h"

static enum ashlar_block_state block_state(const struct ash_heap *heap, const struct ash_page *head,
                                           uint32_t index) {
    uint64_t word = ash_word_get(&head->words[index / ASH_WINDOW_BLOCKS]);
    if ((word >> (index % ASH_WINDOW_BLOCKS) & 1) != 0) return ASHLAR_BLOCK_FREE;
    return ash_remote_holds(heap, head, index) ? ASHLAR_BLOCK_REMOTE : ASHLAR_BLOCK_LIVE;
}

static struct ash_located locate_in_slab(const struct ash_heap *heap, const struct ash_page *page,
                                         uint64_t offset) {
    struct ash_located out = {.place = ASH_AT_BLOCK, .head = page->head};
    uint64_t slab = ash_page_address(heap, ash_page_number(heap, page->head));
    uint32_t bytes = ash_classes[page->class_index].block_bytes;
    bool starts;
    uint64_t index = ash_block_index(offset + page->page_offset_bytes, page->reciprocal, &starts);
    out.start = slab + index * bytes;
    out.bytes = bytes;
    out.index = (uint32_t)index;
    if (index >= page->block_count) {
        out.place = ASH_AT_WASTE;
        out.state = ASHLAR_BLOCK_FREE;
    } else {
        out.state = block_state(heap, page->head, out.index);
    }
    return out;
}

struct ash_located ash_locate(const struct ash_heap *heap, uint64_t address) {
    struct ash_located out = {.place = ASH_AT_NOTHING, .state = ASHLAR_BLOCK_FREE};
    uint64_t offset = address - heap->root.region_base;
    uint64_t number = offset >> ASH_PAGE_SHIFT;
    if (number >= atomic_load_explicit(&heap->root.committed_pages, memory_order_acquire))
        return out;
    struct ash_page *page = ash_page_at(heap, number);
    enum ash_page_kind kind = ash_page_kind_of(page);
    if (kind == ASH_PAGE_SLAB || kind == ASH_PAGE_SLAB_BODY)
        return locate_in_slab(heap, page, offset % ASH_PAGE_BYTES);
    uint64_t first = ash_runs_first_page(heap, number);
    out.head = ash_page_at(heap, first);
    out.start = ash_page_address(heap, first);
    out.bytes = ash_span_bytes(out.head);
    bool span = ash_page_kind_of(out.head) == ASH_PAGE_SPAN;
    out.place = span ? ASH_AT_SPAN : ASH_AT_FREE_RUN;
    out.state = span ? ASHLAR_BLOCK_LIVE : ASHLAR_BLOCK_FREE;
    return out;
}

enum ashlar_finding_code ash_locate_fault(const struct ash_located *located, uint64_t address) {
    switch (located->place) {
    case ASH_AT_NOTHING:
        return ASHLAR_MISUSE_FOREIGN;
    case ASH_AT_FREE_RUN:
        /* what was here went back to the heap whole */
        return ASH_PLANTED(301) ? ASHLAR_MISUSE_FOREIGN : ASHLAR_MISUSE_DOUBLE_FREE;
    case ASH_AT_WASTE:
        return ASHLAR_MISUSE_INTERIOR;
    case ASH_AT_BLOCK:
    case ASH_AT_SPAN:
        break;
    }
    if (address != located->start) return ASHLAR_MISUSE_INTERIOR;
    return located->state == ASHLAR_BLOCK_LIVE ? ASHLAR_FINDING_NONE : ASHLAR_MISUSE_DOUBLE_FREE;
}

bool ash_locate_live(struct ash_thread_heap *th, const char *operation, uint64_t address,
                     struct ash_located *out) {
    *out = ash_locate(th->heap, address);
    enum ashlar_finding_code fault = ash_locate_fault(out, address);
    if (fault == ASHLAR_FINDING_NONE) return true;
    bool block = out->place == ASH_AT_BLOCK || (out->place == ASH_AT_SPAN && !ASH_PLANTED(302));
    ash_misuse(th, fault, operation, address, block ? out->start : 0, block ? out->bytes : 0, 0);
    return false;
}
