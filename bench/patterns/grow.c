/* Patterns of realloc. What a block gains is written, as by programs that grow one. */
#include "pattern.h"

#include <stdlib.h>
#include <string.h>

enum { DOUBLED_BYTES = 64 << 20, STEPPED_BYTES = 16 << 20, STEP_BYTES = 64 << 10 };

/* Blocks that get another size, larger or smaller, in random order. */
void resize(struct worker *worker) {
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        void **slot = &worker->slots[step->slot];
        *slot = must(realloc(*slot, step->bytes));
        touch(*slot, i);
    }
    for (uint32_t i = 0; i < worker->pattern->live; i++) free(worker->slots[i]);
}

struct text {
    char *bytes;
    size_t length;
};

/* Strings, and each step appends 1 to 64 bytes to one of them, with a realloc to the very length;
 * one that has reached 4 KiB is freed and begun anew. */
void strings(struct worker *worker) {
    enum { MOST = 4096 };
    struct text *texts = (struct text *)(void *)worker->slots;
    uint32_t count = worker->pattern->live / 2;
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        struct text *text = &texts[step->slot / 2];
        if (text->length >= MOST) {
            free(text->bytes);
            *text = (struct text){NULL, 0};
        }
        text->bytes = must(realloc(text->bytes, text->length + step->bytes));
        memset(text->bytes + text->length, 'a', step->bytes);
        text->length += step->bytes;
    }
    for (uint32_t i = 0; i < count; i++) free(texts[i].bytes);
}

/* Vectors that double: from 16 bytes to 64 KiB, then freed and begun anew. */
void vectors(struct worker *worker) {
    enum { LEAST = 16, MOST = 64 << 10 };
    struct text *grown = (struct text *)(void *)worker->slots;
    uint32_t count = worker->pattern->live / 2;
    for (uint64_t i = 0; i < worker->operations; i++) {
        struct text *vector = &grown[next_step(worker)->slot / 2];
        if (vector->length >= MOST) {
            free(vector->bytes);
            *vector = (struct text){NULL, 0};
        }
        size_t before = vector->length, after = before == 0 ? LEAST : 2 * before;
        vector->bytes = must(realloc(vector->bytes, after));
        memset(vector->bytes + before, 1, after - before);
        vector->length = after;
    }
    for (uint32_t i = 0; i < count; i++) free(grown[i].bytes);
}

/* One block grows to its largest size, and what it gains is filled. */
static uint64_t grow(size_t most, size_t step_bytes) {
    size_t bytes = step_bytes;
    uint64_t steps = 0;
    char *block = memset(must(malloc(bytes)), 1, bytes);
    while (bytes < most) {
        size_t next = most == DOUBLED_BYTES ? bytes * 2 : bytes + step_bytes;
        block = must(realloc(block, next));
        memset(block + bytes, 1, next - bytes);
        bytes = next;
        steps++;
    }
    free(block);
    return steps;
}

void grow_doubling(struct worker *worker) {
    for (uint64_t done = 0; done < worker->operations;) done += grow(DOUBLED_BYTES, 1024);
}

void grow_steps(struct worker *worker) {
    for (uint64_t done = 0; done < worker->operations;) done += grow(STEPPED_BYTES, STEP_BYTES);
}
