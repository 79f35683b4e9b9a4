/* A program that knows nothing of Ashlar, to be run on it:
 *
 *   gcc preload.c -o preload
 *   LD_PRELOAD=$(pkg-config --variable=preload ashlar) ./preload
 *
 * It says whose malloc it has, as far as a program can tell: by the file that the address is in.
 * With EXPECT=NAME in the environment it fails unless that is in the file's name.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    Dl_info whose;
    if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &whose) == 0) return 1;
    const char *slash = strrchr(whose.dli_fname, '/');
    const char *name = slash == NULL ? whose.dli_fname : slash + 1;

    size_t total = 0;
    char *kept[100] = {0};
    for (unsigned i = 0; i < 100000; i++) {
        char **slot = &kept[i % 100];
        free(*slot);
        *slot = malloc(1 + i % 3000);
        if (*slot == NULL) return 1;
        memset(*slot, 1, 1 + i % 3000);
        total += 1 + i % 3000;
    }
    for (unsigned i = 0; i < 100; i++) free(kept[i]);
    printf("%zu bytes from the malloc of %s\n", total, name);

    const char *expected = getenv("EXPECT");
    return expected == NULL || strstr(name, expected) != NULL ? 0 : 1;
}
