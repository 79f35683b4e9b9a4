/* Pass 5: accounting. Proves the heap's own counts against what the earlier passes counted.
 *
 * Proves: COUNT_COMMITTED .. COUNT_MOVED (600..608), COUNT_SUM (610: pages in slabs, spans and free
 * runs make the committed ones; by itself where the others cannot be told).
 *
 * Relies on: the region pass; but for the sum and the frontier, the partition (pages pass).
 *
 * `purged_total` is a history, which no present state proves. */
#include "check/pass.h"

void ash_pass_accounting(struct ash_check *check) {
    const struct ash_counts *counts = &check->heap->root.counts;
    const struct ash_tally *tally = &check->tally;
    if (check->moving) return;
    uint64_t frontier =
        atomic_load_explicit(&check->heap->root.committed_pages, memory_order_relaxed);
    bool told = frontier > check->heap->root.region_pages; /* by the region pass */
    if (counts->committed != frontier && !told)
        ASH_FOUND(check, .code = ASHLAR_COUNT_COMMITTED, .expected = frontier,
                  .found = counts->committed, .address = ASH_AT_HEAP(check, root.counts.committed));
    uint64_t sum = counts->slab + counts->span + counts->free;
    if (!check->partition) {
        if (sum != counts->committed)
            ASH_FOUND(check, .code = ASHLAR_COUNT_SUM, .expected = counts->committed, .found = sum,
                      .address = ASH_AT_HEAP(check, root.counts.slab));
        return;
    }
    const struct {
        enum ashlar_finding_code code;
        size_t offset;
        uint64_t expected, found;
    } rows[] = {
#define ROW(code, field, expected)                                                                 \
    {ASHLAR_##code, offsetof(struct ash_heap, root.counts.field), (expected), counts->field}
        ROW(COUNT_SLAB_PAGES, slab, tally->slab_pages),
        ROW(COUNT_SPAN_PAGES, span, tally->span_pages),
        ROW(COUNT_FREE_PAGES, free, tally->free_pages),
        ROW(COUNT_DIRTY_FREE, dirty_free, tally->dirty_free),
        ROW(COUNT_FREE_RUNS, free_runs, tally->free_runs),
        ROW(COUNT_SLABS, slabs, tally->slabs),
        ROW(COUNT_SPANS, spans, tally->spans),
        ROW(COUNT_MOVED, moved_spans, ASH_PLANTED(402) ? counts->moved_spans : tally->moved_spans),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].found != rows[i].expected)
            ASH_FOUND(check, .code = rows[i].code, .expected = rows[i].expected,
                      .found = rows[i].found, .address = ash_at_heap(check, rows[i].offset));
}
