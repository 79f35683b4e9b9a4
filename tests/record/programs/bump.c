/* An allocator that may be interrupted anywhere: it takes addresses from a counter and never gives
 * any back. For the test of signal handlers, and of an allocator that knows four functions only. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

void *malloc(size_t bytes);
void free(void *block);
void *calloc(size_t count, size_t bytes);
void *realloc(void *block, size_t bytes);

/* Addresses wrap round: the workload keeps no block for that long. */
enum { ROOM = 1 << 30, HEADER = 16 };
static _Alignas(16) char room[ROOM];
static _Atomic(size_t) used;

void *malloc(size_t bytes) {
    if (bytes > ROOM / 4) return NULL;
    size_t whole = (bytes + HEADER + 15) & ~(size_t)15;
    for (;;) {
        size_t at = atomic_fetch_add(&used, whole) % ROOM;
        if (at + whole > ROOM) continue;
        memcpy(room + at, &bytes, sizeof bytes);
        return room + at + HEADER;
    }
}

void free(void *block) {
    (void)block;
}

void *calloc(size_t count, size_t bytes) {
    size_t product;
    if (__builtin_mul_overflow(count, bytes, &product)) return NULL;
    void *block = malloc(product);
    return block == NULL ? NULL : memset(block, 0, product);
}

/* Made of the public functions: their calls are not the program's, and must not be recorded. */
void *realloc(void *block, size_t bytes) {
    void *moved = malloc(bytes);
    if (moved == NULL || block == NULL) return moved;
    size_t old;
    memcpy(&old, (char *)block - HEADER, sizeof old);
    memcpy(moved, block, old < bytes ? old : bytes);
    free(block);
    return moved;
}
