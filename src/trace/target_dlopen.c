/* Targets from shared libraries: any allocator that exports the malloc names.
 *
 * The library is loaded beside the process's own malloc and does not replace it: RTLD_LOCAL keeps
 * its names to itself, and RTLD_DEEPBIND makes its own calls of malloc go to itself. Sanitizers
 * refuse RTLD_DEEPBIND, since it also hides their interceptors; they are recognised by their entry
 * points. RTLD_NODELETE: allocators leave thread-exit and process-exit hooks behind, which must not
 * point at unmapped code. What a library promises is found out by asking it once: what malloc(0)
 * gives, and whether a failure sets errno.
 */
#include <ashlar/target.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct library {
    struct ashlar_target target;
    struct ashlar_malloc_family family;
    void *handle;
    char *name;
};

/* Stores the address of `prefix``name` in the function pointer, NULL when there is none. Only what
 * the library itself defines counts: the search would go on to the libraries it needs, and find
 * libc's malloc in every one. */
static void find(const struct library *library, const char *prefix, const char *name,
                 void *function) {
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    void *symbol = dlsym(library->handle, full);
    struct link_map *map = NULL;
    Dl_info where;
    if (symbol == NULL || dlinfo(library->handle, RTLD_DI_LINKMAP, &map) != 0 ||
        dladdr(symbol, &where) == 0 || (uintptr_t)where.dli_fbase != (uintptr_t)map->l_addr)
        symbol = NULL;
    memcpy(function, &symbol, sizeof symbol);
}

static void find_all(struct library *library, const char *prefix) {
    struct ashlar_malloc_family *family = &library->family;
    find(library, prefix, "malloc", &family->malloc);
    find(library, prefix, "calloc", &family->calloc);
    find(library, prefix, "realloc", &family->realloc);
    find(library, prefix, "posix_memalign", &family->posix_memalign);
    find(library, prefix, "aligned_alloc", &family->aligned_alloc);
    if (family->aligned_alloc == NULL) find(library, prefix, "memalign", &family->aligned_alloc);
    find(library, prefix, "free", &family->free);
    find(library, prefix, "malloc_usable_size", &family->usable_size);
    if (family->usable_size == NULL) find(library, prefix, "usable_size", &family->usable_size);
    find(library, prefix, "malloc_trim", &family->trim);
}

/* What the library does is what it promises, where promises differ. */
static uint32_t ask(const struct ashlar_malloc_family *family) {
    uint32_t flags = 0;
    void *volatile block = family->malloc(0);
    if (block == NULL) flags |= ASHLAR_TARGET_ZERO_IS_NULL;
    family->free(block);
    errno = 0;
    block = family->malloc(SIZE_MAX / 2 + 1);
    bool sets = block == NULL && errno == ENOMEM;
    family->free(block);
    errno = 0;
    block = family->calloc(SIZE_MAX / 2 + 1, 4); /* many set it for malloc alone */
    sets = sets && block == NULL && errno == ENOMEM;
    family->free(block);
    if (family->realloc != NULL) {
        void *volatile small = family->malloc(1);
        errno = 0;
        block = family->realloc(small, SIZE_MAX / 2 + 1);
        sets = sets && block == NULL && errno == ENOMEM;
        family->free(block != NULL ? block : small);
    }
    return sets ? flags | ASHLAR_TARGET_SETS_ERRNO : flags;
}

static bool under_sanitizer(void) {
    return dlsym(RTLD_DEFAULT, "__asan_init") != NULL ||
           dlsym(RTLD_DEFAULT, "__msan_init") != NULL || dlsym(RTLD_DEFAULT, "__tsan_init") != NULL;
}

/* Allocators keep thread-local state where only libraries loaded at program start are sure of room.
 */
static const char *hint(const char *message) {
    if (strstr(message, "static TLS") == NULL) return "";
    return "; start with GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384";
}

struct ashlar_target *ashlar_target_load(const char *path, const char *prefix, char *error,
                                         size_t error_bytes) {
    struct library *library = calloc(1, sizeof *library);
    char *name = strdup(path);
    if (library == NULL || name == NULL) {
        snprintf(error, error_bytes, "out of memory");
        free(library);
        free(name);
        return NULL;
    }
    library->name = name;
    library->handle = dlopen(path, RTLD_LOCAL | RTLD_NOW | RTLD_NODELETE |
                                       (under_sanitizer() ? 0 : RTLD_DEEPBIND));
    if (library->handle == NULL) {
        const char *message = dlerror();
        if (message == NULL) message = "cannot be loaded";
        snprintf(error, error_bytes, "%s%s", message, hint(message));
        ashlar_target_unload(&library->target);
        return NULL;
    }
    find_all(library, prefix != NULL ? prefix : "");
    const struct ashlar_malloc_family *family = &library->family;
    if (family->malloc == NULL || family->calloc == NULL || family->free == NULL) {
        snprintf(error, error_bytes, "%s: has no %smalloc, %scalloc and %sfree", path,
                 prefix != NULL ? prefix : "", prefix != NULL ? prefix : "",
                 prefix != NULL ? prefix : "");
        ashlar_target_unload(&library->target);
        return NULL;
    }
    library->target = ashlar_target_of(family, library->name, ask(family));
    return &library->target;
}

void ashlar_target_unload(struct ashlar_target *target) {
    if (target == NULL) return;
    struct library *library = (struct library *)(void *)target;
    if (library->handle != NULL) dlclose(library->handle);
    free(library->name);
    free(library);
}
