/* The target `ashlar`: the heap core, driven through its public functions.
 *
 * 1. This is the one file of src/trace that knows the heap's layout, and only to flip bits in it.
 * 2. Logical threads are thread heaps, acquired when a thread first does something, so that a trace
 *    decides how many there are. A free cannot fail: when no thread heap can be acquired for it,
 *    any acquired one does, and injected faults wait for the last resort, acquiring one.
 * 3. A heap over reserved address space gets its system calls from ashlar_os_fault: calls can be
 *    made to fail, the clock stands still but for advance_clock, and what stays mapped is counted.
 * 4. A heap in memory lives in a mapping that is kept for the next replay, at the same distance
 *    from a 1 GiB boundary in every process where address space allows, so that which alignments
 *    can be served is the same everywhere; a reserved region is placed likewise. The mapping starts
 *    out as junk, not as zeros, and later replays find there what earlier ones left: also junk. The
 *    heap promises to live with any content.
 * 5. Which bits flip() can reach: those that the checker has a row for and that nothing may leave
 *    stale. The constant part of the root (its checksum), the counts, and the descriptors of slabs,
 *    spans and free runs, but for fields that are hints. Free bits are left out: whether a block is
 *    live is what they alone say.
 */
#include "heap/layout.h"

#include <ashlar/os.h>
#include <ashlar/target.h>
#include <ashlar/trace.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { THREADS_MAX = 256, JUNK_BYTE = 0xd7 };
#define KEPT_BYTES        ((size_t)64 << 20)
#define FIRST_BYTES       ((size_t)4 << 20)
#define MAPPING_ALIGNMENT ((size_t)1 << 30)

struct memory {
    void *start;
    size_t bytes;
};

struct core {
    struct ashlar_heap *heap;
    struct ashlar_thread_heap *thread_heaps[THREADS_MAX];
    uint32_t threads;
    struct memory memory;   /* of a heap in memory */
    struct ashlar_os below; /* the real system, but for where regions go */
    struct ashlar_os_fault fault;
    size_t *left_mapped;
    uint8_t *flipped; /* the byte that the last flip changed; NULL: none, or changed back */
    uint64_t flipped_bit;
    uint8_t flipped_mask;
};

/* The instance of the last replay, with its memory, for the next one. */
static _Atomic(struct core *) kept_core;

static void *map(size_t bytes, size_t alignment) {
    const struct ashlar_os *os = ashlar_os_linux();
    void *start = os->reserve(os->context, bytes, alignment);
    if (start == NULL || os->commit(os->context, start, bytes)) return start;
    os->release(os->context, start, bytes);
    return NULL;
}

/* Regions start at a 1 GiB boundary where address space allows: see 4. */
static void *reserve_placed(void *context, size_t bytes, size_t alignment) {
    const struct ashlar_os *os = ashlar_os_linux();
    void *start = NULL;
    if (alignment >= ASH_PAGE_BYTES) start = os->reserve(context, bytes, MAPPING_ALIGNMENT);
    return start != NULL ? start : os->reserve(context, bytes, alignment);
}

static void unmap(void *start, size_t bytes) {
    const struct ashlar_os *os = ashlar_os_linux();
    os->release(os->context, start, bytes);
}

static size_t whole_os_pages(size_t bytes) {
    const struct ashlar_os *os = ashlar_os_linux();
    return (size_t)ash_round_up(bytes, os->page_bytes(os->context));
}

/* At least `bytes` of memory; mappings that are too large to be kept are fresh, and zero. */
static bool memory_prepare(struct memory *memory, size_t bytes) {
    if (memory->bytes >= bytes) return true;
    if (memory->bytes > 0) unmap(memory->start, memory->bytes);
    size_t wanted = whole_os_pages(bytes < FIRST_BYTES ? FIRST_BYTES : bytes);
    memory->start = map(wanted, MAPPING_ALIGNMENT);
    if (memory->start == NULL) memory->start = map(wanted, ASH_PAGE_BYTES);
    memory->bytes = memory->start != NULL ? wanted : 0;
    if (memory->bytes > 0 && wanted <= KEPT_BYTES) memset(memory->start, JUNK_BYTE, wanted);
    return memory->bytes > 0;
}

static struct core *core_open(void) {
    struct core *core = atomic_exchange(&kept_core, NULL);
    if (core == NULL) core = map(whole_os_pages(sizeof *core), ASH_PAGE_BYTES);
    return core;
}

static void core_close(struct core *core) {
    if (core->memory.bytes > KEPT_BYTES) {
        unmap(core->memory.start, core->memory.bytes);
        core->memory = (struct memory){0};
    }
    memset(core->thread_heaps, 0, core->threads * sizeof core->thread_heaps[0]);
    core = atomic_exchange(&kept_core, core);
    if (core == NULL) return;
    if (core->memory.bytes > 0) unmap(core->memory.start, core->memory.bytes);
    unmap(core, whole_os_pages(sizeof *core));
}

static enum ashlar_status create_heap(struct core *core,
                                      const struct ashlar_target_config *config) {
    struct ashlar_heap_options options = {
        .thread_heaps = core->threads,
        .on_misuse = config->on_misuse,
        .context = config->context,
        .os = &core->fault.os,
    };
    if (config->heap == ASHLAR_HEAP_IN_MEMORY) {
        size_t bytes = (size_t)config->heap_kib << 10;
        if (!memory_prepare(&core->memory, bytes)) return ASHLAR_NO_MEMORY;
        return ashlar_heap_create_in(core->memory.start, bytes, &options, &core->heap);
    }
    uint64_t bytes = (uint64_t)config->heap_kib << 20;
    options.region_bytes = bytes < ASH_REGION_BYTES_MAX ? bytes : ASH_REGION_BYTES_MAX;
    return ashlar_heap_create(&options, &core->heap);
}

static enum ashlar_status core_create(const struct ashlar_target *target,
                                      const struct ashlar_target_config *config, void **instance) {
    (void)target;
    if (config->threads == 0 || config->threads > THREADS_MAX) return ASHLAR_INVALID;
    struct core *core = core_open();
    if (core == NULL) return ASHLAR_NO_MEMORY;
    core->threads = config->threads;
    core->left_mapped = config->left_mapped;
    core->flipped = NULL;
    core->below = *ashlar_os_linux();
    core->below.reserve = reserve_placed;
    ashlar_os_fault_init(&core->fault, &core->below);
    core->fault.frozen_clock = config->exact_trim;
    if (config->faults != NULL) {
        core->fault.fail_at = config->faults->at;
        core->fault.fail_after = config->faults->after;
        if (config->faults->kinds != 0) core->fault.fail_kinds = config->faults->kinds;
    }
    enum ashlar_status status = create_heap(core, config);
    if (status != ASHLAR_OK) {
        if (core->left_mapped != NULL) *core->left_mapped = core->fault.mapped_bytes;
        core_close(core);
        return status;
    }
    *instance = core;
    return ASHLAR_OK;
}

static void core_destroy(void *instance) {
    struct core *core = instance;
    ashlar_heap_destroy(core->heap);
    if (core->left_mapped != NULL) *core->left_mapped = core->fault.mapped_bytes;
    core_close(core);
}

/* The logical thread's thread heap; NULL: none can be had now. */
static struct ashlar_thread_heap *thread_heap(struct core *core, uint32_t thread) {
    ASH_ASSERT(core->threads > 0);
    struct ashlar_thread_heap **th = &core->thread_heaps[thread % core->threads];
    if (*th == NULL && ashlar_thread_heap_acquire(core->heap, th) != ASHLAR_OK) *th = NULL;
    return *th;
}

/* Some thread heap, for what cannot fail. */
static struct ashlar_thread_heap *any_thread_heap(struct core *core, uint32_t thread) {
    struct ashlar_thread_heap *th = thread_heap(core, thread);
    for (uint32_t i = 0; th == NULL && i < core->threads; i++) th = core->thread_heaps[i];
    if (th != NULL) return th;
    uint64_t fail_at = core->fault.fail_at;
    core->fault.fail_at = 0;
    th = thread_heap(core, thread);
    core->fault.fail_at = fail_at;
    return th;
}

static void *core_malloc(void *instance, uint32_t thread, size_t bytes) {
    struct ashlar_thread_heap *th = thread_heap(instance, thread);
    if (th != NULL) return ashlar_malloc(th, bytes);
    errno = ENOMEM;
    return NULL;
}

static void *core_calloc(void *instance, uint32_t thread, size_t count, size_t bytes) {
    struct ashlar_thread_heap *th = thread_heap(instance, thread);
    if (th != NULL) return ashlar_calloc(th, count, bytes);
    errno = ENOMEM;
    return NULL;
}

static void *core_realloc(void *instance, uint32_t thread, void *block, size_t bytes) {
    struct ashlar_thread_heap *th = thread_heap(instance, thread);
    if (th != NULL) return ashlar_realloc(th, block, bytes);
    errno = ENOMEM;
    return NULL;
}

static void *core_aligned_alloc(void *instance, uint32_t thread, size_t alignment, size_t bytes) {
    /* any: without a thread heap there would be nobody to tell a bad alignment from bad luck */
    struct ashlar_thread_heap *th = any_thread_heap(instance, thread);
    if (th != NULL) return ashlar_aligned_alloc(th, alignment, bytes);
    errno = ENOMEM;
    return NULL;
}

static void core_free(void *instance, uint32_t thread, void *block) {
    int error = errno; /* acquiring a thread heap is not part of free */
    struct ashlar_thread_heap *th = any_thread_heap(instance, thread);
    errno = error;
    if (th != NULL) ashlar_free(th, block);
}

static void core_free_sized(void *instance, uint32_t thread, void *block, size_t alignment,
                            size_t bytes) {
    int error = errno;
    struct ashlar_thread_heap *th = any_thread_heap(instance, thread);
    errno = error;
    if (th == NULL) return;
    if (alignment != 0)
        ashlar_free_aligned_sized(th, block, alignment, bytes);
    else
        ashlar_free_sized(th, block, bytes);
}

static size_t core_usable_size(void *instance, uint32_t thread, void *block) {
    struct ashlar_thread_heap *th = any_thread_heap(instance, thread);
    return th != NULL ? ashlar_usable_size(th, block) : 0;
}

static void core_trim(void *instance, uint32_t thread) {
    struct core *core = instance;
    ashlar_trim(core->heap, core->thread_heaps[thread % core->threads]);
}

static void core_collect(void *instance, uint32_t thread) {
    struct core *core = instance;
    struct ashlar_thread_heap *th = core->thread_heaps[thread % core->threads];
    if (th != NULL) ashlar_thread_heap_collect(th);
}

static void core_thread_exit(void *instance, uint32_t thread) {
    struct core *core = instance;
    struct ashlar_thread_heap **th = &core->thread_heaps[thread % core->threads];
    if (*th != NULL) ashlar_thread_heap_release(*th);
    *th = NULL;
}

static void core_reset(void *instance) {
    struct core *core = instance;
    ashlar_heap_reset(core->heap);
}

static void core_advance_clock(void *instance, uint64_t ms) {
    struct core *core = instance;
    core->fault.clock_ms += ms < UINT32_MAX ? ms : UINT32_MAX;
}

static void core_fail_call(void *instance, uint64_t nth) {
    struct core *core = instance;
    bool reachable = nth != 0 && nth <= UINT64_MAX - core->fault.calls;
    core->fault.fail_at = reachable ? core->fault.calls + nth : 0;
}

static uint64_t core_calls(void *instance, uint32_t kind) {
    return kind < ASHLAR_OS_CALL_COUNT ? ((struct core *)instance)->fault.made[kind] : 0;
}

static uint64_t core_failed(void *instance) {
    return ((struct core *)instance)->fault.failed;
}

static enum ashlar_verdict core_check(void *instance, uintptr_t address, ashlar_finding_sink *sink,
                                      void *context, struct ashlar_check_report *report) {
    struct core *core = instance;
    if (address != 0) return ashlar_check_touched(core->heap, address, sink, context, report);
    return ashlar_check_heap(core->heap, ASHLAR_CHECK_FULL, sink, context, report);
}

static void core_region(void *instance, uintptr_t *start, uintptr_t *end) {
    struct core *core = instance;
    const struct ash_root *root = &ash_heap_of(core->heap)->root;
    *start = (uintptr_t)root->region_base;
    *end = *start + (uintptr_t)(root->region_pages << ASH_PAGE_SHIFT);
}

static struct ashlar_heap *core_heap(void *instance) {
    return ((struct core *)instance)->heap;
}

/* A field of a structure that flip may reach. */
struct field {
    uint16_t offset, bytes;
};
#define FIELD(type, name)                                                                          \
    { offsetof(struct type, name), sizeof(((struct type *)0)->name) }

static const struct field root_fields[] = {
    {0, offsetof(struct ash_root, transition)},
    {0, offsetof(struct ash_root, transition)},
    FIELD(ash_root, thread_heap_count),
    FIELD(ash_root, acquired),
    FIELD(ash_root, committed_pages),
    FIELD(ash_root, counts.committed),
    FIELD(ash_root, counts.slab),
    FIELD(ash_root, counts.span),
    FIELD(ash_root, counts.free),
    FIELD(ash_root, counts.dirty_free),
    FIELD(ash_root, counts.free_runs),
    FIELD(ash_root, counts.slabs),
    FIELD(ash_root, counts.spans),
};
static const struct field slab_fields[] = {
    FIELD(ash_page, reciprocal),  FIELD(ash_page, words),       FIELD(ash_page, owner),
    FIELD(ash_page, full_tail),   FIELD(ash_page, head),        FIELD(ash_page, page_offset_bytes),
    FIELD(ash_page, block_count), FIELD(ash_page, class_index), FIELD(ash_page, kind),
    FIELD(ash_page, slab_pages),
};
static const struct field run_fields[] = {
    FIELD(ash_page, head),
    FIELD(ash_page, kind),
    FIELD(ash_page, pages),
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void flip_in(struct core *core, void *object, const struct field *fields, size_t count,
                    uint64_t draw) {
    const struct field *field = &fields[draw % count];
    uint64_t bit = draw / count % (field->bytes * UINT64_C(8));
    core->flipped = (uint8_t *)object + field->offset + bit / 8;
    core->flipped_mask = (uint8_t)(1U << (bit % 8));
    *core->flipped ^= core->flipped_mask;
}

/* One bit per value of `bit`; the same value again right after flips it back, wherever the flipped
 * metadata would lead by then. */
static bool core_flip(void *instance, uint64_t bit) {
    struct core *core = instance;
    struct ash_heap *heap = ash_heap_of(core->heap);
    if (core->flipped != NULL && core->flipped_bit == bit) {
        *core->flipped ^= core->flipped_mask;
        core->flipped = NULL;
        return true;
    }
    uint64_t committed = heap->root.counts.committed, draw = bit / 4;
    core->flipped_bit = bit;
    if (bit % 4 == 0 || committed == 0) {
        flip_in(core, &heap->root, root_fields, COUNT(root_fields), draw);
        return true;
    }
    uint64_t page = draw % committed;
    while (page > 0 && ash_page_at(heap, page)->kind == ASH_PAGE_NONE) page--;
    struct ash_page *head = ash_page_at(heap, page);
    bool slab = head->kind == ASH_PAGE_SLAB || head->kind == ASH_PAGE_SLAB_BODY;
    if (slab)
        flip_in(core, head, slab_fields, COUNT(slab_fields), draw / committed);
    else
        flip_in(core, head, run_fields, COUNT(run_fields), draw / committed);
    return true;
}

const struct ashlar_target ashlar_target_core = {
    .name = "ashlar",
    .flags = ASHLAR_TARGET_SETS_ERRNO | ASHLAR_TARGET_KEEPS_ERRNO | ASHLAR_TARGET_FINDS_MISUSE |
             ASHLAR_TARGET_FINDS_SIZE | ASHLAR_TARGET_OWNS_MAPPING,
    .alignment = ASH_BLOCK_ALIGN,
    .alignment_max = ASH_ALIGNMENT_MAX,
    .create = core_create,
    .destroy = core_destroy,
    .malloc = core_malloc,
    .calloc = core_calloc,
    .realloc = core_realloc,
    .aligned_alloc = core_aligned_alloc,
    .free = core_free,
    .free_sized = core_free_sized,
    .usable_size = core_usable_size,
    .trim = core_trim,
    .collect = core_collect,
    .thread_exit = core_thread_exit,
    .reset = core_reset,
    .advance_clock = core_advance_clock,
    .fail_call = core_fail_call,
    .calls = core_calls,
    .failed = core_failed,
    .flip = core_flip,
    .check = core_check,
    .region = core_region,
    .heap = core_heap,
};
