/* Uses up thread-specific keys before anything is allocated: as many as the first argument says.
 * keys_short tells that there were fewer. */
#include "no_keys.h"

#include <pthread.h>
#include <stdlib.h>

size_t keys_made;
bool keys_short;

static __attribute__((constructor(102))) void make_keys(int count, char **arguments) {
    size_t wanted = count > 1 ? strtoul(arguments[1], NULL, 10) : 0;
    pthread_key_t key;
    while (keys_made < wanted && !keys_short) {
        keys_short = pthread_key_create(&key, NULL) != 0;
        keys_made += !keys_short;
    }
}
