/* Threads: many at once, many one after the other, and blocks that outlive the thread that made
 * them.
 *
 * usage: threads [COUNT], how many threads come and go; 2,000 by default. */
#include "expect.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum { AT_ONCE = 1000, BLOCKS = 64, STACK_BYTES = 64 << 10, STRANDED_BYTES = 2 << 20 };

static pthread_barrier_t all_here, all_done;

static pthread_t start(void *(*body)(void *), void *argument) {
    pthread_attr_t small;
    pthread_t thread;
    EXPECT(pthread_attr_init(&small) == 0);
    EXPECT(pthread_attr_setstacksize(&small, STACK_BYTES) == 0);
    EXPECT(pthread_create(&thread, &small, body, argument) == 0);
    EXPECT(pthread_attr_destroy(&small) == 0);
    return thread;
}

static void fill(char **blocks, unsigned char with) {
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t bytes = 16 + i * 37;
        blocks[i] = malloc(bytes);
        EXPECT(blocks[i] != NULL);
        memset(blocks[i], with, bytes);
    }
}

static void empty(char **blocks, unsigned char with) {
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t at = 0; at < 16 + i * 37; at++) EXPECT((unsigned char)blocks[i][at] == with);
        free(blocks[i]);
    }
}

/* Each thread's blocks are freed by another one. */
static char *of_thread[AT_ONCE][BLOCKS];
static void *meet(void *argument) {
    size_t number = (size_t)(char **)argument - (size_t)of_thread[0];
    number /= sizeof of_thread[0];
    fill(of_thread[number], (unsigned char)number);
    pthread_barrier_wait(&all_here);
    size_t other = (number + 1) % AT_ONCE;
    empty(of_thread[other], (unsigned char)other);
    pthread_barrier_wait(&all_done);
    return NULL;
}

static void test_many_at_once(void) {
    static pthread_t threads[AT_ONCE];
    size_t before = thread_heaps_in_use();
    EXPECT(pthread_barrier_init(&all_here, NULL, AT_ONCE) == 0);
    EXPECT(pthread_barrier_init(&all_done, NULL, AT_ONCE + 1) == 0);
    for (size_t i = 0; i < AT_ONCE; i++) threads[i] = start(meet, of_thread[i]);
    /* Nobody ends before this thread comes to the barrier. */
    pthread_barrier_wait(&all_done);
    for (size_t i = 0; i < AT_ONCE; i++) EXPECT(pthread_join(threads[i], NULL) == 0);
    EXPECT(thread_heaps_in_use() <= before + 1); /* the shared one */
    EXPECT(pthread_barrier_destroy(&all_here) == 0 && pthread_barrier_destroy(&all_done) == 0);
}

static void *make(void *argument) {
    char *own[BLOCKS];
    fill(own, 1);
    fill(argument, 2);
    empty(own, 1);
    return NULL;
}

/* Threads come and go, their blocks stay a while: memory is what one of them needs. */
static void test_churn(size_t count) {
    char *blocks[2][BLOCKS];
    size_t flat = 0;
    for (size_t i = 0; i < count; i++) {
        pthread_t thread = start(make, blocks[i % 2]);
        if (i > 0) empty(blocks[(i - 1) % 2], 2); /* while the next one makes and ends */
        EXPECT(pthread_join(thread, NULL) == 0);
        struct mallinfo2 now = i % 100 == 99 ? mallinfo2() : (struct mallinfo2){0};
        if (i == 99) flat = now.arena;
        EXPECT(now.arena <= flat + STRANDED_BYTES);
    }
    empty(blocks[(count - 1) % 2], 2);
    EXPECT(thread_heaps_in_use() <= 2);
}

/* A thread that has never allocated may be the one that frees. */
static void *only_free(void *argument) {
    empty(argument, 3);
    free(NULL);
    return NULL;
}
static void test_only_free(void) {
    char *blocks[BLOCKS];
    for (int round = 0; round < 100; round++) {
        fill(blocks, 3);
        EXPECT(pthread_join(start(only_free, blocks), NULL) == 0);
    }
    EXPECT(thread_heaps_in_use() <= 2);
}

int main(int count, char **arguments) {
    test_many_at_once();
    test_churn(count > 1 ? strtoul(arguments[1], NULL, 10) : 2000);
    test_only_free();
    return 0;
}
