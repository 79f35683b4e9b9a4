/* What a piece of work costs: processor time, wall time, instructions and cycles of this process,
 * and its resident memory. None of it allocates. */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct meter_reading {
    uint64_t cpu_ns;       /* user and system time of all threads of the process */
    uint64_t wall_ns;      /* since some moment in the past */
    uint64_t instructions; /* in user mode; 0 when the machine does not count them */
    uint64_t cycles;       /* likewise */
};

/* Keeps this process, and the threads that it makes later, on one CPU, named by its number. */
bool meter_pin(const char *cpu);

/* Opens the counters of instructions and cycles where the system allows it. Call it after
 * meter_pin and before any thread is made. */
void meter_open(void);

void meter_read(struct meter_reading *out);
/* later - earlier, field by field */
struct meter_reading meter_since(const struct meter_reading *earlier,
                                 const struct meter_reading *later);

struct meter_memory {
    size_t resident_kib; /* VmRSS */
    size_t peak_kib;     /* VmHWM. Of this program alone: getrusage's peak would include what ran in
                            the process before exec */
};
void meter_read_memory(struct meter_memory *out);

/* One measurement, from begin to end. */
struct meter_run {
    struct meter_reading at_begin, cost;
    size_t start_kib; /* resident at the beginning, the allocator's own start included */
    size_t peak_kib;  /* of the whole process until the end */
};
void meter_begin(struct meter_run *run);
void meter_end(struct meter_run *run);
/* As one line of JSON. `own_kib` is what of the resident memory is the harness's, and the same for
 * all allocators. */
void meter_print(const struct meter_run *run, size_t own_kib, uint64_t operations);

/* Memory of the harness itself, which must not come from the allocator that is measured: zeroed
 * pages, or the end of the process. */
void *meter_pages(size_t bytes);
void meter_release(void *pages, size_t bytes);

#endif
