/* The exported root. Its checksum covers all that never changes, so that a reader that scans memory
 * for the magic can tell a root from bytes that merely look like one. */
#include "heap/root.h"

#include <string.h>

static_assert(offsetof(struct ash_root, transition) % 8 == 0 &&
                  offsetof(struct ash_root, checksum) % 8 == 0,
              "the constant part is whole words");

uint64_t ash_root_checksum(const struct ash_root *root) {
    enum { WORDS = offsetof(struct ash_root, transition) / 8 };
    uint64_t words[WORDS], hash = UINT64_C(0xcbf29ce484222325);
    memcpy(words, root, sizeof words);
    words[offsetof(struct ash_root, checksum) / 8] = 0;
    for (size_t i = 0; i < WORDS; i++) hash = (hash ^ words[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void ash_root_seal(struct ash_root *root) {
    root->magic = ASH_ROOT_MAGIC;
    root->layout_version = ASH_LAYOUT_VERSION;
    root->root_bytes = sizeof *root;
    root->self = (uint64_t)(uintptr_t)root;
    root->no_word = root->self + offsetof(struct ash_heap, no_word);
    root->page_bytes = ASH_PAGE_BYTES;
    root->descriptor_bytes = sizeof(struct ash_page);
    root->bitmap_stride = ASH_BITMAP_STRIDE;
    root->bitmap_remote_bytes = ASH_BITMAP_REMOTE_BYTES;
    root->thread_heap_stride = ASH_THREAD_HEAP_STRIDE;
    root->heap_bytes = sizeof(struct ash_heap);
    root->class_count = ASH_CLASS_COUNT;
    root->at_page_words = offsetof(struct ash_page, words);
    root->at_page_owner = offsetof(struct ash_page, owner);
    root->at_page_remote_summary = offsetof(struct ash_page, remote_summary);
    root->at_page_kind = offsetof(struct ash_page, kind);
    root->at_page_class = offsetof(struct ash_page, class_index);
    root->at_page_run_pages = offsetof(struct ash_page, pages);
    root->at_page_summary = offsetof(struct ash_page, summary);
    root->at_thread_pending = offsetof(struct ash_thread_heap, pending);
    root->at_thread_bins = offsetof(struct ash_thread_heap, bins);
    root->at_thread_transition = offsetof(struct ash_thread_heap, transition);
    root->at_heap_counts = offsetof(struct ash_heap, root.counts);
    memcpy(root->classes, ash_classes, sizeof root->classes);
    root->checksum = ash_root_checksum(root);
}
