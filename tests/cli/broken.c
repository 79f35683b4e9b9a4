/* A malloc with known faults, for the tests of what the command line says about a broken target.
 *
 * It is libc's, but for a few sizes: 13 is misaligned, 66 aborts, 77 never returns, and two blocks
 * of 99 bytes are the same one. Its names begin with bad_.
 */
#include <stdlib.h>
#include <string.h>

void *bad_malloc(size_t bytes);
void *bad_calloc(size_t count, size_t bytes);
void *bad_realloc(void *block, size_t bytes);
void bad_free(void *block);

void *bad_malloc(size_t bytes) {
    static void *shared;
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
    return calloc(count, bytes);
}

void *bad_realloc(void *block, size_t bytes) {
    return realloc(block, bytes);
}

void bad_free(void *block) {
    free(block);
}
