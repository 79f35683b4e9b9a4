/* The library loaded while the program runs: its malloc stands beside libc's, threads use both, and
 * it stays when it is closed.
 *
 * usage: load LIBRARY [KEYS] */
#include "expect.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>

static void *(*their_malloc)(size_t);
static void (*their_free)(void *);
static size_t (*their_usable_size)(void *);

static void *find(void *library, const char *name) {
    void *found = dlsym(library, name);
    EXPECT(found != NULL);
    return found;
}

static void *use(void *argument) {
    for (size_t bytes = 1; bytes < 200000; bytes *= 3) {
        void *theirs = their_malloc(bytes), *libcs = malloc(bytes);
        EXPECT(theirs != NULL && their_usable_size(theirs) >= bytes);
        memset(theirs, 1, bytes);
        their_free(theirs);
        free(libcs);
    }
    return argument;
}

int main(int count, char **arguments) {
    EXPECT(count > 1);
    pthread_t before, after;
    for (size_t keys = count > 2 ? strtoul(arguments[2], NULL, 10) : 0; keys > 0; keys--) {
        pthread_key_t key;
        EXPECT(pthread_key_create(&key, NULL) == 0);
    }
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) dprintf(STDERR_FILENO, "%s\n", dlerror());
    EXPECT(library != NULL);
    void *name = find(library, "malloc");
    memcpy(&their_malloc, &name, sizeof name);
    name = find(library, "free");
    memcpy(&their_free, &name, sizeof name);
    name = find(library, "malloc_usable_size");
    memcpy(&their_usable_size, &name, sizeof name);
    void *ours = malloc(100), *theirs = their_malloc(100);
    EXPECT(malloc_usable_size(ours) != 112 && their_usable_size(theirs) == 112);
    EXPECT(pthread_create(&before, NULL, use, NULL) == 0);
    EXPECT(pthread_join(before, NULL) == 0);
    EXPECT(dlclose(library) == 0);
    /* What was handed out is still there, and so are the functions. */
    memset(theirs, 2, 112);
    EXPECT(pthread_create(&after, NULL, use, NULL) == 0);
    EXPECT(pthread_join(after, NULL) == 0);
    use(NULL);
    their_free(theirs);
    free(ours);
    return 0;
}
