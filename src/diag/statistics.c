/* Statistics as text: the same rows as the command line's `stats`, and what only the process itself
 * knows. The table of classes has those that have slabs. */
#include "diag/statistics.h"

#include "base/line.h"
#include "heap/layout.h"

enum { NUMBER_ENDS = 30 };

static void row(const char *what, size_t value, const char *note, int fd) {
    struct ash_line line = {0};
    ash_line_text(&line, what);
    ash_line_pad(&line, 14);
    size_t from = line.length;
    ash_line_count(&line, value);
    ash_line_align(&line, from, NUMBER_ENDS);
    if (note[0] != '\0') ash_line_text(&line, "  ");
    ash_line_text(&line, note);
    ash_line_send(&line, fd);
}

/* Columns of the table of classes: title, and where it ends. */
static const struct {
    const char *title;
    size_t ends;
} columns[] = {{"class", 8}, {"slabs", 18},  {"bytes", 34}, {"live", 48},
               {"free", 62}, {"remote", 74}, {"used", 82}};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static void class_titles(int fd) {
    struct ash_line line = {0};
    for (unsigned i = 0; i < COLUMNS; i++) {
        size_t from = line.length;
        ash_line_text(&line, columns[i].title);
        ash_line_align(&line, from, columns[i].ends);
    }
    ash_line_send(&line, fd);
}

static void class_row(size_t bytes, const struct ashlar_class_stats *class, int fd) {
    const size_t numbers[COLUMNS - 1] = {bytes,
                                         class->slabs,
                                         class->slab_bytes,
                                         class->live_blocks,
                                         class->free_blocks,
                                         class->remote_blocks};
    struct ash_line line = {0};
    for (unsigned i = 0; i + 1 < COLUMNS; i++) {
        size_t from = line.length;
        ash_line_count(&line, numbers[i]);
        ash_line_align(&line, from, columns[i].ends);
    }
    size_t from = line.length;
    ash_line_share(&line, class->live_blocks * bytes, class->slab_bytes);
    ash_line_align(&line, from, columns[COLUMNS - 1].ends);
    ash_line_send(&line, fd);
}

void ash_diag_statistics(struct ashlar_heap *heap, bool classes, int fd) {
    struct ashlar_heap_stats stats;
    ashlar_heap_get_stats(heap, &stats);
    row("live", stats.live_bytes, "bytes, as blocks have them", fd);
    row("  in", stats.live_blocks, "blocks", fd);
    row("free", stats.committed_bytes - stats.live_bytes, "bytes, committed and not live", fd);
    row("  in", stats.free_blocks, "blocks of slabs", fd);
    row("  and", stats.remote_blocks, "freed by another thread, not yet collected", fd);
    row("committed", stats.committed_bytes, "bytes, readable and writable", fd);
    row("  slabs", stats.slab_bytes, "", fd);
    row("  spans", stats.span_bytes, "", fd);
    row("  free runs", stats.free_bytes, "", fd);
    row("  of it dirty", stats.dirty_free_bytes, "not given back to the system", fd);
    row("purged", stats.purged_bytes, "bytes given back since the start, counted each time", fd);
    row("metadata", stats.metadata_bytes, "bytes of bookkeeping, out of band", fd);
    row("reserved", stats.region_bytes, "bytes of address space for blocks", fd);
    row("thread heaps", stats.thread_heaps, "in use", fd);
    if (!classes) return;
    struct ashlar_class_stats rows[ASH_CLASS_COUNT];
    ashlar_heap_get_class_stats(heap, rows);
    class_titles(fd);
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++)
        if (rows[i].slabs > 0) class_row(ash_classes[i].block_bytes, &rows[i], fd);
}
