/* A dlsym that allocates, as some do: what the recorder needs before it knows any allocator. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *dlsym(void *handle, const char *symbol);

static void require(int fact) {
    if (!fact) _exit(97);
}

void *dlsym(void *handle, const char *symbol) {
    /* The recorder asks for what lies behind it; so do we, from behind it. */
    void *(*next)(void *, const char *);
    void *found = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (found == NULL) found = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    require(found != NULL);
    memcpy(&next, &found, sizeof next);
    char *block = calloc(7, 11);
    require(block != NULL);
    for (int i = 0; i < 77; i++) require(block[i] == 0);
    memset(block, 'x', 77);
    block = realloc(block, 200);
    require(block != NULL && block[76] == 'x');
    void *aligned = NULL;
    require(posix_memalign(&aligned, 64, 10) == 0 && (size_t)aligned % 64 == 0);
    free(aligned);
    free(block);
    return next(handle, symbol);
}
