/* What an operation costs against the size of blocks, and against how many are live. One process is
 * one point; prints one line of JSON.
 *
 *   LD_PRELOAD=... ashlar-bench-sizes size 4096 [--cpu N]
 *   LD_PRELOAD=... ashlar-bench-sizes live 1000000 [--cpu N]
 *
 * An operation is a free and a malloc of a block in a random place of a table; the new block's
 * first word is written. `size`: all blocks have the size, and as many live as fit into 64 MiB, at
 * most 1,000 and at least 4. `live`: 16 to 112 bytes, each size as likely as any other. Filling the
 * table is not part of the time. Operations go on until 0.2 s are over, as the clock of processor
 * time may be some ms behind. When the machine has no memory for the table and its blocks, the
 * program says so and ends with EXIT_NO_ROOM.
 */
#include "meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_USAGE = 2,
    EXIT_OWN = 5,
    EXIT_NO_ROOM = 6,
    LEAST_BYTES = 16,
    MOST_BYTES = 112,
    LIVE_MOST = 100000000,
    KEPT_FREE_KIB = 2 << 20,
    LEAST_NS = 200000000,
};

struct point {
    uint64_t bytes; /* of each block; 0: from LEAST_BYTES to MOST_BYTES */
    uint64_t live;
    uint64_t operations;
};

/* xorshift64*; drawn within the loop, as a table of steps could not name 50 million places */
static uint64_t draw(uint64_t *random, uint64_t bound) {
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (((*random * UINT64_C(2685821657736338717)) >> 32) * bound) >> 32;
}

static void *allocate(const struct point *point, uint64_t *random) {
    size_t bytes = point->bytes;
    if (bytes == 0) bytes = LEAST_BYTES + draw(random, MOST_BYTES - LEAST_BYTES + 1);
    void *block = malloc(bytes);
    if (block == NULL) {
        fprintf(stderr, "the allocator has no memory\n");
        exit(EXIT_OWN);
    }
    *(volatile uint64_t *)block = bytes;
    return block;
}

static size_t available_kib(void) {
    char line[128];
    size_t found = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    if (file == NULL) return SIZE_MAX;
    while (found == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "MemAvailable:", 13) == 0) found = strtoull(line + 13, NULL, 10);
    (void)fclose(file);
    return found == 0 ? SIZE_MAX : found;
}

static uint64_t wall_ns(void) {
    struct meter_reading now;
    meter_read(&now);
    return now.wall_ns;
}

static void run(const struct point *point) {
    struct meter_run measured;
    uint64_t random = 0x9e3779b97f4a7c15U;
    size_t own_bytes = point->live * sizeof(void *);
    void **slots = meter_pages(own_bytes);
    struct meter_memory before;
    meter_read_memory(&before);
    for (uint64_t i = 0; i < point->live; i++) slots[i] = allocate(point, &random);
    meter_begin(&measured);
    measured.start_kib = before.resident_kib;
    uint64_t done = 0, end = wall_ns() + LEAST_NS;
    do {
        for (uint64_t i = 0; i < point->operations; i++) {
            uint64_t slot = draw(&random, point->live);
            free(slots[slot]);
            slots[slot] = allocate(point, &random);
        }
        done += point->operations;
    } while (wall_ns() < end);
    meter_end(&measured);
    meter_print(&measured, own_bytes / 1024, done);
}

static bool make_point(const char *kind, const char *number, struct point *point) {
    char *end;
    uint64_t value = strtoull(number, &end, 10);
    if (end == number || *end != '\0') return false;
    if (strcmp(kind, "live") == 0) {
        *point = (struct point){0, value, 4000000};
        return value > 0 && value <= LIVE_MOST;
    }
    uint64_t live = value == 0 ? 0 : (UINT64_C(64) << 20) / value;
    *point = (struct point){value, live < 4 ? 4 : live > 1000 ? 1000 : live, 6000000};
    /* Large ones cost more, with some: an amount that never takes long. */
    if (value > 32 << 10) point->operations = 400000;
    if (value > 1 << 20) point->operations = 100000;
    return strcmp(kind, "size") == 0 && value >= sizeof(uint64_t) && value <= UINT64_C(1) << 32;
}

int main(int count, char **arguments) {
    struct point point;
    if (count == 5 && strcmp(arguments[3], "--cpu") == 0 && meter_pin(arguments[4])) count = 3;
    if (count != 3 || !make_point(arguments[1], arguments[2], &point)) {
        fprintf(stderr, "usage: %s size BYTES | live COUNT [--cpu N]\n", arguments[0]);
        return EXIT_USAGE;
    }
    /* twice what is asked for, since allocators round up, and the table */
    uint64_t block_bytes = point.bytes == 0 ? (LEAST_BYTES + MOST_BYTES) / 2 : 4096;
    uint64_t needed_kib = point.live * (2 * block_bytes + sizeof(void *)) / 1024;
    if (needed_kib + KEPT_FREE_KIB > available_kib()) {
        fprintf(stderr, "%llu MiB are needed\n", (unsigned long long)needed_kib / 1024);
        return EXIT_NO_ROOM;
    }
    run(&point);
    return 0;
}
