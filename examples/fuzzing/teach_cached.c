/* The teaching allocator behind a cache for each thread: bugs that only threads show.
 *
 * 1. Blocks. A small block has a tag in front that names the cache of the thread that got it. A
 *    freed one stays in that cache, in a stack of its size, for the thread's next request.
 * 2. Another thread's free returns the block to the cache that the tag names. The owner sorts what
 *    was returned into its stacks when one of them is empty.
 * 3. The end of a thread gives what its cache holds back to the heap. Blocks that are live still
 *    name the cache, so it stays until the last of them is freed, and then becomes the next new
 *    thread's.
 * 4. One lock for everything: speed is not what this teaches.
 * 5. Bugs: as in teach.c, by TEACH_BUG. No sequence of operations in one thread shows them:
 *    `ashlar fuzz --threads real`.
 */
#include "teach.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT = 32, CLASSES = 16, SMALL_BYTES = UNIT * CLASSES };

struct tag {
    struct cache *owner; /* NULL: a large block, which no cache keeps */
    size_t bytes;        /* behind the tag */
};
struct link {
    struct link *next;
};
struct cache {
    struct link *stacks[CLASSES];
    struct link *returned; /* by other threads, of any size */
    size_t live;           /* blocks that name it and are not free */
    bool exited;
};

enum bug { NO_BUG, OWNER_GONE, RETURNED_TWICE, EXIT_KEEPS_BLOCKS, BUGS };
static const char *const bug_names[BUGS] = {
    [OWNER_GONE] = "owner-gone",
    [RETURNED_TWICE] = "returned-twice",
    [EXIT_KEEPS_BLOCKS] = "exit-keeps-blocks",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static struct cache *spare; /* of a thread that has ended */
static enum bug bug;
static _Thread_local struct cache *own;

static struct tag *tag_of(void *block) {
    return (struct tag *)block - 1;
}

static struct link **stack_of(struct cache *cache, const struct tag *tag) {
    return &cache->stacks[tag->bytes / UNIT - 1];
}

static void push(struct link **list, void *block) {
    struct link *link = block;
    link->next = *list;
    *list = link;
}

static void *pop(struct link **list) {
    struct link *link = *list;
    if (link != NULL) *list = link->next;
    return link;
}

/* The cache of a thread that has ended is given up with its last block. */
static void settle(struct cache *cache) {
    if (!cache->exited || (cache->live > 0 && bug != OWNER_GONE)) return;
    if (spare == NULL && bug != OWNER_GONE)
        spare = cache;
    else
        teach_free(cache);
}

static void flush(struct link **list) {
    for (struct link *link = *list; link != NULL;) {
        struct link *next = link->next;
        teach_free(tag_of(link));
        link = next;
    }
    if (bug != EXIT_KEEPS_BLOCKS) *list = NULL;
}

static void on_exit_of_thread(void *context) {
    struct cache *cache = context;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < CLASSES; i++) flush(&cache->stacks[i]);
    flush(&cache->returned);
    cache->exited = true;
    settle(cache);
    pthread_mutex_unlock(&lock);
    own = NULL;
}

static void initialize(void) {
    const char *wanted = getenv("TEACH_BUG");
    for (enum bug i = NO_BUG + 1; wanted != NULL && i < BUGS; i++)
        if (strcmp(wanted, bug_names[i]) == 0) bug = i;
    if (pthread_key_create(&key, on_exit_of_thread) != 0) abort();
}

/* The running thread's cache; NULL: no memory. */
static struct cache *own_cache(void) {
    pthread_once(&once, initialize);
    if (own != NULL) return own;
    own = spare != NULL ? spare : teach_calloc(1, sizeof *own);
    spare = NULL;
    if (own == NULL) return NULL;
    own->exited = false;
    pthread_setspecific(key, own);
    return own;
}

static void *get_small(struct cache *cache, size_t bytes) {
    struct tag wanted = {cache, bytes};
    struct link **stack = stack_of(cache, &wanted);
    for (void *block; *stack == NULL && (block = pop(&cache->returned)) != NULL;)
        push(stack_of(cache, tag_of(block)), block);
    void *block = pop(stack);
    if (block != NULL) return block;
    struct tag *tag = teach_malloc(sizeof *tag + bytes);
    if (tag == NULL) return NULL;
    *tag = wanted;
    return tag + 1;
}

static void *tagged(struct tag *tag) {
    if (tag == NULL) return NULL;
    *tag = (struct tag){NULL, teach_malloc_usable_size(tag) - sizeof *tag};
    return tag + 1;
}

static bool absurd(size_t bytes) {
    if (bytes > PTRDIFF_MAX - sizeof(struct tag)) errno = ENOMEM;
    return bytes > PTRDIFF_MAX - sizeof(struct tag);
}

void *cached_malloc(size_t bytes) {
    if (absurd(bytes)) return NULL;
    pthread_mutex_lock(&lock);
    struct cache *cache = bytes <= SMALL_BYTES ? own_cache() : NULL;
    void *block;
    if (cache != NULL) {
        block = get_small(cache, bytes == 0 ? UNIT : (bytes + UNIT - 1) / UNIT * UNIT);
        if (block != NULL) cache->live++;
    } else {
        block = tagged(teach_malloc(sizeof(struct tag) + bytes));
    }
    pthread_mutex_unlock(&lock);
    return block;
}

void cached_free(void *block) {
    if (block == NULL) return;
    pthread_mutex_lock(&lock);
    struct tag *tag = tag_of(block);
    struct cache *owner = tag->owner;
    if (owner != NULL) owner->live--;
    if (owner == NULL) {
        teach_free(tag);
    } else if (owner == own) {
        push(stack_of(own, tag), block);
    } else if (owner->exited) {
        teach_free(tag);
        settle(owner);
    } else {
        push(&owner->returned, block);
        if (bug == RETURNED_TWICE && own_cache() != NULL) push(stack_of(own, tag), block);
    }
    pthread_mutex_unlock(&lock);
}

void *cached_calloc(size_t count, size_t bytes) {
    size_t product;
    if (__builtin_mul_overflow(count, bytes, &product)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = cached_malloc(product);
    return block != NULL ? memset(block, 0, product) : NULL;
}

void *cached_realloc(void *block, size_t bytes) {
    if (block == NULL) return cached_malloc(bytes);
    size_t held = tag_of(block)->bytes;
    if (bytes <= held && bytes >= held / 2) return block;
    void *moved = cached_malloc(bytes);
    if (moved == NULL) return NULL;
    memcpy(moved, block, bytes < held ? bytes : held);
    cached_free(block);
    return moved;
}

size_t cached_malloc_usable_size(void *block) {
    return block != NULL ? tag_of(block)->bytes : 0;
}
