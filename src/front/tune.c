/* What glibc has beside malloc itself: settings, giving memory back, figures.
 *
 * 1. Purpose. Programs that were written for glibc call these, and act upon what they return. So
 *    each does what can be done here, and says yes to what needs no doing.
 * 2. Figures. glibc's fields, filled so that their sums hold: arena is what slabs and free pages
 *    take up, of which uordblks is live and fordblks is not; hblkhd is what spans take up, which
 *    are glibc's mapped blocks. mallinfo's ints stop at INT_MAX instead of wrapping.
 * 3. Allocation. malloc_stats allocates nothing and uses no stdio. malloc_info writes to the
 *    caller's stream, which may. */
#include "diag/statistics.h"
#include "front/front.h"
#include "heap/kept.h"

#include <ashlar/heap.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <unistd.h>

#define NAMES(of) __attribute__((visibility("default"), alias(#of)))

/* Gives back everything that is free, whatever is asked to be kept. */
static int front_trim(size_t keep_bytes) {
    (void)keep_bytes;
    struct ashlar_heap *heap = ash_front_heap();
    if (heap == NULL) return 0;
    struct ashlar_thread_heap *th = ash_front_enter();
    size_t bytes = ashlar_trim(heap, th);
    ash_front_leave(th);
    return bytes > 0;
}

/* 1 for the settings there are, as if done: what they tune has no counterpart here. */
static int front_opt(int setting, int value) {
    (void)value;
    static const int known[] = {M_MXFAST,         M_TRIM_THRESHOLD, M_TOP_PAD,
                                M_MMAP_THRESHOLD, M_MMAP_MAX,       M_CHECK_ACTION,
                                M_PERTURB,        M_ARENA_TEST,     M_ARENA_MAX};
    for (size_t row = 0; row < sizeof known / sizeof known[0]; row++)
        if (known[row] == setting) return 1;
    return 0;
}

static size_t front_spans(struct ashlar_heap *heap) {
    if (heap == NULL) return 0;
    uint64_t spans = __atomic_load_n(&ash_heap_of(heap)->root.counts.spans, __ATOMIC_RELAXED);
    uint64_t kept = ash_kept_spans(ash_heap_of(heap));
    return spans > kept ? spans - kept : 0; /* others allocate meanwhile */
}

static struct mallinfo2 front_info2(void) {
    struct ashlar_heap_stats stats = {0};
    struct ashlar_heap *heap = ash_front_heap();
    if (heap != NULL) ashlar_heap_get_stats(heap, &stats);
    size_t arena = stats.committed_bytes - stats.span_bytes;
    size_t live = stats.live_bytes - stats.span_bytes; /* a span is live as a whole */
    return (struct mallinfo2){
        .arena = arena,
        .ordblks = stats.free_blocks + stats.remote_blocks,
        .hblks = front_spans(heap),
        .hblkhd = stats.span_bytes,
        .uordblks = live,
        .fordblks = arena - live,
        .keepcost = stats.dirty_free_bytes,
    };
}

static int to_int(size_t value) {
    return value < INT_MAX ? (int)value : INT_MAX;
}

static struct mallinfo front_info(void) {
    struct mallinfo2 info = front_info2();
    return (struct mallinfo){
        .arena = to_int(info.arena),
        .ordblks = to_int(info.ordblks),
        .hblks = to_int(info.hblks),
        .hblkhd = to_int(info.hblkhd),
        .uordblks = to_int(info.uordblks),
        .fordblks = to_int(info.fordblks),
        .keepcost = to_int(info.keepcost),
    };
}

static void front_stats(void) {
    struct ashlar_heap *heap = ash_front_heap();
    if (heap != NULL) ash_diag_statistics(heap, false, STDERR_FILENO);
}

/* One element a class that has free blocks, in glibc's form: blocks from..to bytes, how many of
 * them are free and what they come to. */
static void xml_classes(FILE *out, const struct ashlar_class_stats *classes) {
    size_t from = 1;
    fputs("<sizes>\n", out);
    for (uint32_t i = 0; i < ASH_CLASS_COUNT; i++) {
        size_t to = ashlar_class_bytes(i), free_blocks = classes[i].free_blocks;
        if (free_blocks > 0)
            fprintf(out, "<size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n", from, to,
                    free_blocks * to, free_blocks);
        from = to + 1;
    }
    fputs("</sizes>\n", out);
}

static int front_xml(int options, FILE *out) {
    struct ashlar_heap *heap = ash_front_heap();
    if (options != 0) return EINVAL;
    if (heap == NULL) return ENOMEM;
    struct ashlar_class_stats classes[ASH_CLASS_COUNT];
    struct ashlar_heap_stats stats;
    ashlar_heap_get_class_stats(heap, classes);
    ashlar_heap_get_stats(heap, &stats);
    fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n", out);
    xml_classes(out, classes);
    fprintf(out, "<total type=\"live\" count=\"%zu\" size=\"%zu\"/>\n", stats.live_blocks,
            stats.live_bytes);
    fprintf(out, "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n",
            stats.free_blocks + stats.remote_blocks, stats.committed_bytes - stats.live_bytes);
    fprintf(out, "<system type=\"current\" size=\"%zu\"/>\n",
            stats.committed_bytes + stats.metadata_bytes);
    fprintf(out, "<aspace type=\"total\" size=\"%zu\"/>\n</heap>\n</malloc>\n", stats.region_bytes);
    return 0;
}

int malloc_trim(size_t keep_bytes) NAMES(front_trim);
int mallopt(int setting, int value) NAMES(front_opt);
struct mallinfo mallinfo(void) NAMES(front_info);
struct mallinfo2 mallinfo2(void) NAMES(front_info2);
void malloc_stats(void) NAMES(front_stats);
int malloc_info(int options, FILE *out) NAMES(front_xml);

/* Second names, as in malloc.c. */
int __libc_mallopt(int setting, int value);
struct mallinfo __libc_mallinfo(void);
int __libc_mallopt(int setting, int value) NAMES(front_opt);
struct mallinfo __libc_mallinfo(void) NAMES(front_info);
