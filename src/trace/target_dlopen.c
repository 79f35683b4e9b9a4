/* Targets from shared libraries: any allocator that exports the malloc names.
 *
 * The library is loaded beside the process's own malloc and does not replace it: RTLD_LOCAL keeps
 * its names to itself, and RTLD_DEEPBIND makes its own calls of malloc go to itself. Sanitizers
 * refuse RTLD_DEEPBIND, since it also hides their interceptors; they are recognised by their entry
 * points. RTLD_NODELETE: allocators leave thread-exit and process-exit hooks behind, which must not
 * point at unmapped code. What a library promises is found out by asking it once: what malloc(0)
 * gives, and whether a failure sets errno. Functions that it lacks are NULL in the table.
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
    void *handle;
    char *name;
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void (*free)(void *);
    size_t (*usable_size)(void *);
    int (*trim)(size_t);
};

static enum ashlar_status library_create(const struct ashlar_target *target,
                                         const struct ashlar_target_config *config,
                                         void **instance) {
    (void)config;
    *instance = target->data;
    return ASHLAR_OK;
}

static void library_destroy(void *instance) {
    (void)instance;
}

static void *library_malloc(void *instance, uint32_t thread, size_t bytes) {
    (void)thread;
    return ((struct library *)instance)->malloc(bytes);
}

static void *library_calloc(void *instance, uint32_t thread, size_t count, size_t bytes) {
    (void)thread;
    return ((struct library *)instance)->calloc(count, bytes);
}

static void *library_realloc(void *instance, uint32_t thread, void *block, size_t bytes) {
    (void)thread;
    return ((struct library *)instance)->realloc(block, bytes);
}

static void *library_aligned_alloc(void *instance, uint32_t thread, size_t alignment,
                                   size_t bytes) {
    (void)thread;
    const struct library *library = instance;
    void *block = NULL;
    bool power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
    if (power_of_two && alignment < sizeof(void *)) alignment = sizeof(void *);
    if (library->posix_memalign == NULL) {
        if (power_of_two) return library->aligned_alloc(alignment, bytes);
        errno = EINVAL; /* what aligned_alloc does with it is its own choice */
        return NULL;
    }
    int error = library->posix_memalign(&block, alignment, bytes);
    if (error == 0) return block;
    errno = error;
    return NULL;
}

static void library_free(void *instance, uint32_t thread, void *block) {
    (void)thread;
    ((struct library *)instance)->free(block);
}

static size_t library_usable_size(void *instance, uint32_t thread, void *block) {
    (void)thread;
    return ((struct library *)instance)->usable_size(block);
}

static void library_trim(void *instance, uint32_t thread) {
    (void)thread;
    ((struct library *)instance)->trim(0);
}

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
    find(library, prefix, "malloc", &library->malloc);
    find(library, prefix, "calloc", &library->calloc);
    find(library, prefix, "realloc", &library->realloc);
    find(library, prefix, "posix_memalign", &library->posix_memalign);
    find(library, prefix, "aligned_alloc", &library->aligned_alloc);
    if (library->aligned_alloc == NULL) find(library, prefix, "memalign", &library->aligned_alloc);
    find(library, prefix, "free", &library->free);
    find(library, prefix, "malloc_usable_size", &library->usable_size);
    if (library->usable_size == NULL) find(library, prefix, "usable_size", &library->usable_size);
    find(library, prefix, "malloc_trim", &library->trim);
}

/* What the library does is what it promises, where promises differ. */
static uint32_t ask(const struct library *library) {
    uint32_t flags = ASHLAR_TARGET_PROCESS_WIDE;
    void *volatile block = library->malloc(0);
    if (block == NULL) flags |= ASHLAR_TARGET_ZERO_IS_NULL;
    library->free(block);
    errno = 0;
    block = library->malloc(SIZE_MAX / 2 + 1);
    bool sets = block == NULL && errno == ENOMEM;
    library->free(block);
    errno = 0;
    block = library->calloc(SIZE_MAX / 2 + 1, 4); /* some set it for malloc alone */
    sets = sets && block == NULL && errno == ENOMEM;
    library->free(block);
    return sets ? flags | ASHLAR_TARGET_SETS_ERRNO : flags;
}

static bool under_sanitizer(void) {
    return dlsym(RTLD_DEFAULT, "__asan_init") != NULL ||
           dlsym(RTLD_DEFAULT, "__msan_init") != NULL || dlsym(RTLD_DEFAULT, "__tsan_init") != NULL;
}

static void fill_table(struct library *library) {
    library->target = (struct ashlar_target){
        .name = library->name,
        .flags = ask(library),
        .alignment = 16,
        .alignment_max =
            library->posix_memalign != NULL || library->aligned_alloc != NULL ? (size_t)1 << 62 : 0,
        .create = library_create,
        .destroy = library_destroy,
        .malloc = library_malloc,
        .calloc = library_calloc,
        .realloc = library->realloc != NULL ? library_realloc : NULL,
        .free = library_free,
        .usable_size = library->usable_size != NULL ? library_usable_size : NULL,
        .trim = library->trim != NULL ? library_trim : NULL,
        .data = library,
    };
    if (library->target.alignment_max != 0) library->target.aligned_alloc = library_aligned_alloc;
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
    library->target.data = library;
    find_all(library, prefix != NULL ? prefix : "");
    if (library->malloc == NULL || library->calloc == NULL || library->free == NULL) {
        snprintf(error, error_bytes, "%s: has no %smalloc, %scalloc and %sfree", path,
                 prefix != NULL ? prefix : "", prefix != NULL ? prefix : "",
                 prefix != NULL ? prefix : "");
        ashlar_target_unload(&library->target);
        return NULL;
    }
    fill_table(library);
    return &library->target;
}

void ashlar_target_unload(struct ashlar_target *target) {
    if (target == NULL) return;
    struct library *library = (struct library *)(void *)target;
    if (library->handle != NULL) dlclose(library->handle);
    free(library->name);
    free(library);
}
