/* Every function of malloc's family, held to what C, POSIX and glibc say of it. */
#include "expect.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { UNTOUCHED = 4711 }; /* an errno that nobody sets */

/* C23's, which the headers do not have yet. */
void free_sized(void *block, size_t bytes) __attribute__((weak));
void free_aligned_sized(void *block, size_t alignment, size_t bytes) __attribute__((weak));

/* Names of libc without a declaration; the first one only old programs can be linked to. */
void cfree(void *block) __attribute__((weak));
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void *__libc_valloc(size_t bytes);
void *__libc_pvalloc(size_t bytes);
void __libc_free(void *block);

static bool aligned_to(const void *block, size_t alignment) {
    return (uintptr_t)block % alignment == 0;
}

/* The library answers, not libc: its classes tell. */
static void test_ours(void) {
    void *block = malloc(100);
    EXPECT(block != NULL && malloc_usable_size(block) == 112);
    free(block);
    if (FRONT_RENAMED) return;
    char *text = strdup("what libc allocates for the program");
    EXPECT(malloc_usable_size(text) == 48);
    free(text);
}

static void test_malloc(void) {
    for (size_t bytes = 0; bytes < 300000; bytes = bytes * 5 / 4 + 1) {
        errno = UNTOUCHED;
        char *block = malloc(bytes);
        EXPECT(block != NULL && errno == UNTOUCHED);
        EXPECT(aligned_to(block, 16) && malloc_usable_size(block) >= bytes);
        memset(block, 0x5a, malloc_usable_size(block));
        errno = UNTOUCHED;
        free(block);
        EXPECT(errno == UNTOUCHED);
    }
    void *one = malloc(0), *other = malloc(0);
    EXPECT(one != NULL && other != NULL && one != other);
    free(one);
    free(other);
    free(NULL);
    EXPECT(malloc_usable_size(NULL) == 0);
}

static void test_too_much(void) {
    /* Volatile: the compiler would warn of what it sees. */
    volatile size_t much = (size_t)PTRDIFF_MAX + 1, half = SIZE_MAX / 2 + 2, all = SIZE_MAX;
    errno = 0;
    EXPECT(malloc(much) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(malloc(all) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(calloc(half, 2) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(calloc(2, half) == NULL && errno == ENOMEM);
    char *block = malloc(10);
    block[9] = 'x';
    errno = 0;
    EXPECT(realloc(block, much) == NULL && errno == ENOMEM && block[9] == 'x');
    errno = 0;
    EXPECT(reallocarray(block, half, 2) == NULL && errno == ENOMEM && block[9] == 'x');
    errno = 0;
    EXPECT(aligned_alloc(64, much) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(memalign(64, much) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(valloc(much) == NULL && errno == ENOMEM);
    for (size_t less = 1; less < 10000; less += 1111) { /* rounding up wraps */
        errno = 0;
        EXPECT(pvalloc(all - less) == NULL && errno == ENOMEM);
    }
    void *out = &block;
    errno = UNTOUCHED;
    EXPECT(posix_memalign(&out, 64, much) == ENOMEM && out == &block && errno == UNTOUCHED);
    free(block);
}

static void test_calloc(void) {
    for (size_t bytes = 1; bytes < 200000; bytes = bytes * 3 / 2 + 1) {
        char *dirty = malloc(bytes);
        memset(dirty, 0xff, bytes);
        free(dirty);
        char *block = calloc(1, bytes);
        EXPECT(block != NULL && block[0] == 0 && memcmp(block, block + 1, bytes - 1) == 0);
        free(block);
    }
    void *none = calloc(0, 10);
    EXPECT(none != NULL);
    free(none);
}

static void test_realloc(void) {
    unsigned char *block = realloc(NULL, 1);
    EXPECT(block != NULL);
    block[0] = 7;
    size_t bytes = 1;
    while (bytes < 1000000) {
        size_t more = bytes + bytes / 2 + 1;
        block = realloc(block, more);
        EXPECT(block != NULL && block[0] == 7 && block[bytes - 1] == 7);
        memset(block, 7, more);
        bytes = more;
    }
    while (bytes > 10) {
        bytes /= 3;
        block = reallocarray(block, bytes, 1);
        EXPECT(block != NULL && block[0] == 7 && block[bytes - 1] == 7);
    }
    errno = UNTOUCHED;
    EXPECT(realloc(block, 0) == NULL && errno == UNTOUCHED); /* freed, as glibc has it */
    block = reallocarray(NULL, 3, 5);
    EXPECT(malloc_usable_size(block) == 16);
    EXPECT(reallocarray(block, 0, 5) == NULL);
    void *none = realloc(NULL, 0);
    EXPECT(none != NULL);
    free(none);
}

static void test_posix_memalign(void) {
    void *out = NULL;
    const size_t wrong[] = {0, 1, 2, 4, 7, 12, 24, 48, SIZE_MAX, SIZE_MAX - 7};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        errno = UNTOUCHED;
        EXPECT(posix_memalign(&out, wrong[i], 8) == EINVAL && out == NULL && errno == UNTOUCHED);
    }
    for (size_t alignment = 8; alignment <= 4 << 20; alignment *= 2) {
        for (size_t bytes = 0; bytes < 100000; bytes = bytes * 7 + 1) {
            EXPECT(posix_memalign(&out, alignment, bytes) == 0);
            EXPECT(out != NULL && aligned_to(out, alignment) && malloc_usable_size(out) >= bytes);
            memset(out, 1, bytes);
            out = realloc(out, bytes + 1);
            free(out);
        }
    }
    /* Right, but more than there is. */
    void *kept = out;
    EXPECT(posix_memalign(&out, SIZE_MAX / 2 + 1, 8) == ENOMEM && out == kept);
}

/* Volatile: compilers warn of the wrong alignments that they see. */
static void test_aligned(void) {
    volatile size_t wrong[] = {0, 3, 48, SIZE_MAX}, huge = SIZE_MAX / 2 + 1;
    for (size_t i = 0; i < 4; i++) {
        errno = 0;
        EXPECT(aligned_alloc(wrong[i], 8) == NULL && errno == EINVAL);
    }
    errno = 0;
    EXPECT(aligned_alloc(huge, 8) == NULL && errno == ENOMEM);
    for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
        void *block = aligned_alloc(alignment, 100); /* no multiple of the alignment: fine */
        EXPECT(block != NULL && aligned_to(block, alignment));
        free(block);
    }
    errno = 0;
    EXPECT(memalign(huge, 8) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(memalign(huge + 1, 8) == NULL && errno == EINVAL);
    /* memalign rounds up what is no power of two. By a pointer, since what the header promises of
     * the result is not so then. */
    void *(*volatile rounding_up)(size_t, size_t) = memalign;
    void *block = rounding_up(wrong[2], 10);
    EXPECT(block != NULL && aligned_to(block, 64));
    free(block);
    block = rounding_up(wrong[0], 10);
    EXPECT(block != NULL && aligned_to(block, 16));
    free(block);
    size_t page = (size_t)getpagesize();
    block = valloc(10);
    EXPECT(block != NULL && aligned_to(block, page));
    free(block);
    block = pvalloc(page + 1);
    EXPECT(block != NULL && aligned_to(block, page) && malloc_usable_size(block) >= 2 * page);
    free(block);
    block = pvalloc(0);
    EXPECT(block != NULL && aligned_to(block, page));
    free(block);
}

static void test_sized(void) {
    EXPECT(free_sized != NULL && free_aligned_sized != NULL);
    errno = UNTOUCHED;
    free_sized(NULL, 10);
    free_aligned_sized(NULL, 64, 10);
    for (size_t bytes = 0; bytes < 300000; bytes = bytes * 2 + 1) {
        free_sized(malloc(bytes), bytes);
        free_sized(calloc(1, bytes), bytes);
        free_sized(realloc(malloc(1), bytes + 1), bytes + 1);
        free_aligned_sized(aligned_alloc(256, bytes), 256, bytes);
    }
    EXPECT(errno == UNTOUCHED);
}

/* The second names serve the same heap: each block goes back by the other name. */
static void test_second_names(void) {
    void *block = __libc_malloc(100);
    EXPECT(malloc_usable_size(block) == 112);
    free(block);
    block = __libc_calloc(10, 10);
    EXPECT(malloc_usable_size(block) == 112);
    block = __libc_realloc(block, 200);
    EXPECT(malloc_usable_size(block) == 224);
    __libc_free(block);
    block = __libc_memalign(4096, 1);
    EXPECT(aligned_to(block, 4096));
    EXPECT(cfree != NULL);
    cfree(block);
    block = __libc_valloc(1);
    EXPECT(aligned_to(block, (size_t)getpagesize()));
    free(block);
    free(__libc_pvalloc(1));
    __libc_free(malloc(100));
}

static void test_figures(void) {
    struct mallinfo2 before = mallinfo2();
    enum { BLOCKS = 1000, BYTES = 1000 };
    void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) blocks[i] = malloc(BYTES);
    void *large = malloc(10 << 20);
    struct mallinfo2 after = mallinfo2();
    EXPECT(after.uordblks >= before.uordblks + BLOCKS * BYTES);
    EXPECT(after.arena == after.uordblks + after.fordblks);
    EXPECT(after.hblks == before.hblks + 1 && after.hblkhd >= before.hblkhd + (10 << 20));
    _Pragma("GCC diagnostic push");
    _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"");
    EXPECT(mallinfo().hblks == (int)after.hblks);
    EXPECT(mallinfo().uordblks == (int)after.uordblks);
    _Pragma("GCC diagnostic pop");
    memset(large, 1, 10 << 20);
    for (size_t i = 0; i < BLOCKS; i++) free(blocks[i]);
    free(large);
    EXPECT(mallinfo2().keepcost >= 10 << 20);
    EXPECT(malloc_trim(0) == 1);
    EXPECT(mallinfo2().keepcost == 0);
    EXPECT(malloc_trim(0) == 0); /* nothing is left */
    EXPECT(mallopt(M_ARENA_MAX, 1) == 1 && mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
    EXPECT(mallopt(12345, 1) == 0);
}

static void test_xml(void) {
    char text[16384] = "";
    void *block = malloc(64); /* the rest of its slab is free */
    FILE *out = fmemopen(text, sizeof text, "w");
    EXPECT(out != NULL);
    EXPECT(malloc_info(1, out) == EINVAL);
    EXPECT(malloc_info(0, out) == 0);
    EXPECT(fclose(out) == 0);
    EXPECT(strncmp(text, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n", 43) == 0);
    EXPECT(strstr(text, "<size from=\"49\" to=\"64\" total=\"") != NULL);
    EXPECT(strstr(text, "</heap>\n</malloc>\n") != NULL);
    free(block);
}

int main(void) {
    test_ours();
    test_malloc();
    test_too_much();
    test_calloc();
    test_realloc();
    test_posix_memalign();
    test_aligned();
    test_sized();
    test_second_names();
    test_figures();
    test_xml();
    return 0;
}
