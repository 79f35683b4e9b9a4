/* Calls before main, and at the very end: in destructors of a thread's keys in every round, in
 * those of its thread-local objects, in exit handlers and destructors of the program. */
#include "expect.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* Before main. */
static void *early[3];
static __attribute__((constructor(101))) void make_early(void) {
    early[0] = malloc(100);
    early[1] = calloc(1, 100000);
    early[2] = realloc(malloc(10), 1000);
}

static void test_early(void) {
    for (size_t i = 0; i < 3; i++) {
        EXPECT(malloc_usable_size(early[i]) >= 100);
        free(early[i]);
    }
}

/* The end of a thread. */
enum { THREADS = 50, KEYS = 40, LATE_BYTES = 200 };
static pthread_key_t keys[KEYS]; /* more than fit a thread's static block */
static char *handed_over[THREADS][KEYS][PTHREAD_DESTRUCTOR_ITERATIONS];

/* What a key's value is: a block of the thread, and the round. */
struct value {
    size_t thread, key, round;
};

/* Frees what an earlier round made, and makes more; the last round's stays for main. */
static void end(void *argument) {
    struct value *value = argument;
    char *block = malloc(LATE_BYTES);
    EXPECT(block != NULL);
    memset(block, (int)value->key, LATE_BYTES);
    handed_over[value->thread][value->key][value->round] = block;
    struct value next = *value;
    free(value);
    if (++next.round == PTHREAD_DESTRUCTOR_ITERATIONS) return;
    free(handed_over[next.thread][next.key][next.round - 1]);
    value = malloc(sizeof *value);
    EXPECT(value != NULL);
    *value = next;
    EXPECT(pthread_setspecific(keys[next.key], value) == 0);
}

/* As for a C++ thread_local object. */
extern int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *library);
extern void *__dso_handle;
static void destroy(void *object) {
    void *other = malloc(300);
    free(object);
    free(other);
}

static void *live_and_end(void *argument) {
    size_t thread = *(size_t *)argument;
    free(argument);
    for (size_t key = 0; key < KEYS; key++) {
        struct value *value = malloc(sizeof *value);
        EXPECT(value != NULL);
        *value = (struct value){.thread = thread, .key = key};
        EXPECT(pthread_setspecific(keys[key], value) == 0);
    }
    EXPECT(__cxa_thread_atexit_impl(destroy, malloc(10), &__dso_handle) == 0);
    return NULL;
}

/* Its first call of all is made by a key's destructor. */
static pthread_key_t first_key;
static void first_call(void *argument) {
    (void)argument;
    free(malloc(LATE_BYTES));
}
static void *end_with_first_call(void *argument) {
    EXPECT(pthread_setspecific(first_key, argument) == 0);
    return NULL;
}

static void check_handed_over(size_t thread) {
    for (size_t key = 0; key < KEYS; key++) {
        char *block = handed_over[thread][key][PTHREAD_DESTRUCTOR_ITERATIONS - 1];
        for (size_t at = 0; at < LATE_BYTES; at++) EXPECT(block[at] == (char)key);
        free(block);
    }
}

static void test_threads(void) {
    pthread_t thread;
    for (size_t key = 0; key < KEYS; key++) EXPECT(pthread_key_create(&keys[key], end) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        size_t *number = malloc(sizeof *number);
        EXPECT(number != NULL);
        *number = i;
        EXPECT(pthread_create(&thread, NULL, live_and_end, number) == 0);
        EXPECT(pthread_join(thread, NULL) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) check_handed_over(i);
    EXPECT(pthread_key_create(&first_key, first_call) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&thread, NULL, end_with_first_call, &first_key) == 0);
        EXPECT(pthread_join(thread, NULL) == 0);
    }
    EXPECT(thread_heaps_in_use() <= 2); /* this thread's, and the shared one */
}

/* The end of the program: no call of these may fail, or the test ends with another status. */
static void *kept;
static void use_at_end(void) {
    void *more = realloc(kept, 5000);
    EXPECT(more != NULL && malloc_usable_size(more) >= 5000);
    free(more);
    kept = malloc(10);
    EXPECT(kept != NULL);
}
static __attribute__((destructor(101))) void after_exit_handlers(void) {
    use_at_end();
}

int main(void) {
    test_early();
    test_threads();
    kept = malloc(10);
    EXPECT(atexit(use_at_end) == 0);
    return 0;
}
