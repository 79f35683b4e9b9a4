/* Processor time is the main measure: on a machine that is shared, wall time also counts the time
 * that other processes ran. Both are printed, and on a quiet machine they agree. */
#include "meter.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int counter_of[2] = {-1, -1}; /* instructions, cycles */

bool meter_pin(const char *cpu) {
    cpu_set_t set;
    char *end;
    unsigned long number = strtoul(cpu, &end, 10);
    if (end == cpu || *end != '\0' || number >= CPU_SETSIZE) return false;
    CPU_ZERO(&set);
    CPU_SET(number, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

static int open_counter(uint64_t config) {
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.type = PERF_TYPE_HARDWARE;
    attributes.size = sizeof attributes;
    attributes.config = config;
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    attributes.inherit = 1; /* threads made later count too */
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void meter_open(void) {
    counter_of[0] = open_counter(PERF_COUNT_HW_INSTRUCTIONS);
    counter_of[1] = open_counter(PERF_COUNT_HW_CPU_CYCLES);
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now = {0, 0};
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t counter_value(int counter) {
    uint64_t value = 0;
    if (counter < 0 || read(counter, &value, sizeof value) != (ssize_t)sizeof value) return 0;
    return value;
}

void meter_read(struct meter_reading *out) {
    out->instructions = counter_value(counter_of[0]);
    out->cycles = counter_value(counter_of[1]);
    out->wall_ns = clock_ns(CLOCK_MONOTONIC);
    out->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

struct meter_reading meter_since(const struct meter_reading *earlier,
                                 const struct meter_reading *later) {
    return (struct meter_reading){
        .cpu_ns = later->cpu_ns - earlier->cpu_ns,
        .wall_ns = later->wall_ns - earlier->wall_ns,
        .instructions = later->instructions - earlier->instructions,
        .cycles = later->cycles - earlier->cycles,
    };
}

static size_t status_field(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at == NULL ? 0 : (size_t)strtoull(at + strlen(name), NULL, 10);
}

void meter_read_memory(struct meter_memory *out) {
    char text[4096];
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    text[got < 0 ? 0 : got] = '\0';
    out->resident_kib = status_field(text, "VmRSS:");
    out->peak_kib = status_field(text, "VmHWM:");
}

void meter_begin(struct meter_run *run) {
    struct meter_memory memory;
    meter_open();
    meter_read_memory(&memory);
    run->start_kib = memory.resident_kib;
    meter_read(&run->at_begin);
}

void meter_end(struct meter_run *run) {
    struct meter_reading now;
    struct meter_memory memory;
    meter_read(&now);
    meter_read_memory(&memory);
    run->cost = meter_since(&run->at_begin, &now);
    run->peak_kib = memory.peak_kib;
}

void meter_print(const struct meter_run *run, size_t own_kib, uint64_t operations) {
    printf("{\"cpu_ns\":%llu,\"wall_ns\":%llu,\"instructions\":%llu,\"operations\":%llu,"
           "\"start_kib\":%zu,\"peak_kib\":%zu,\"own_kib\":%zu}\n",
           (unsigned long long)run->cost.cpu_ns, (unsigned long long)run->cost.wall_ns,
           (unsigned long long)run->cost.instructions, (unsigned long long)operations,
           run->start_kib, run->peak_kib, own_kib);
}

void *meter_pages(size_t bytes) {
    /* Populated at once, so that the harness's own page faults do not fall into what is timed. */
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (pages == MAP_FAILED) {
        perror("mmap");
        exit(5);
    }
    return pages;
}

void meter_release(void *pages, size_t bytes) {
    (void)munmap(pages, bytes);
}
