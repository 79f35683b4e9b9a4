/* A core that lies once, for tests of the command line on findings while threads are in the middle
 * of operations, which the sound core has none of: malloc of 777 bytes gives the block of the call
 * before it again. Linked with --wrap=ashlar_malloc.
 */
#include <ashlar/heap.h>

#define TRUE_NAME  __asm__("__real_ashlar_malloc")
#define LYING_NAME __asm__("__wrap_ashlar_malloc")
void *ash_true_malloc(struct ashlar_thread_heap *th, size_t bytes) TRUE_NAME;
void *ash_lying_malloc(struct ashlar_thread_heap *th, size_t bytes) LYING_NAME;

void *ash_lying_malloc(struct ashlar_thread_heap *th, size_t bytes) {
    static void *last;
    if (bytes == 777) return last;
    void *block = ash_true_malloc(th, bytes);
    if (block != NULL) last = block;
    return block;
}
