/* Threads when keys are short, and other things that could make a first call go in circles.
 *
 * usage: keys COUNT. Before anything is allocated, COUNT keys are made: 40, so that the front end's
 * lies beyond a thread's static block and setting it allocates; 1025, so that it gets none. */
#include "expect.h"
#include "no_keys.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>

enum { THREADS = 20, ROUNDS = 200 };

static void *work(void *argument) {
    char *blocks[10] = {0};
    for (size_t i = 0; i < ROUNDS; i++) {
        char **block = &blocks[i % 10];
        free(*block);
        *block = malloc(i * 7);
        EXPECT(*block != NULL);
        memset(*block, 1, i * 7);
        *block = realloc(*block, i * 9);
        EXPECT(malloc_usable_size(*block) >= i * 9);
    }
    for (size_t i = 0; i < 10; i++) free(blocks[i]);
    free(calloc(10, 10));
    free(aligned_alloc(64, 64));
    return argument;
}

int main(void) {
    pthread_t threads[THREADS];
    pthread_key_t key;
    EXPECT(keys_made >= 40);
    work(NULL);
    /* The front end has a key just when there was one left, and a far one. */
    int error = pthread_key_create(&key, NULL);
    EXPECT(keys_short ? error != 0 : error == 0 && key > keys_made);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < THREADS; i++)
            EXPECT(pthread_create(&threads[i], NULL, work, NULL) == 0);
        for (size_t i = 0; i < THREADS; i++) EXPECT(pthread_join(threads[i], NULL) == 0);
    }
    EXPECT(thread_heaps_in_use() <= 2);
    return 0;
}
