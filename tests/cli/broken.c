/* A malloc with known faults, for the tests of what the command line says about a broken target.
 *
 * It is libc's, but for a few sizes: 13 is misaligned, 66 aborts, 77 never returns, and two blocks
 * of 99 bytes are the same one. Its names begin with bad_.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

void *bad_malloc(size_t bytes);
void *bad_calloc(size_t count, size_t bytes);
void *bad_realloc(void *block, size_t bytes);
void bad_free(void *block);

/* Absurd sizes do not reach libc: a sanitizer's would end the process. */
static void *refuse(void) {
    errno = ENOMEM;
    return NULL;
}

void *bad_malloc(size_t bytes) {
    static void *shared;
    if (bytes > PTRDIFF_MAX) return refuse();
    if (bytes == 66) abort();
    if (bytes == 77) {
        for (volatile int forever = 1; forever != 0;) {
        }
    }
    if (bytes == 99) {
        if (shared == NULL) shared = malloc(bytes);
        return shared;
    }
    if (bytes == 13) return (char *)malloc(64) + 3;
    return malloc(bytes);
}

void *bad_calloc(size_t count, size_t bytes) {
    size_t product;
    if (__builtin_mul_overflow(count, bytes, &product) || product > PTRDIFF_MAX) return refuse();
    return calloc(count, bytes);
}

void *bad_realloc(void *block, size_t bytes) {
    return bytes > PTRDIFF_MAX ? refuse() : realloc(block, bytes);
}

void bad_free(void *block) {
    free(block);
}
