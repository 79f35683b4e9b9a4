/* Pages of documentation that are written from tables: the comparison with what stands there. */
#include "generated.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int generated_main(int argc, char **argv, void write_all(FILE *out), const char *table) {
    if (argc < 2) {
        write_all(stdout);
        return 0;
    }
    char *text = NULL;
    size_t bytes = 0;
    FILE *expected = open_memstream(&text, &bytes);
    if (expected == NULL) return 1;
    write_all(expected);
    fclose(expected);
    FILE *file = fopen(argv[1], "r");
    char *found = malloc(bytes + 1);
    size_t found_bytes = file == NULL || found == NULL ? 0 : fread(found, 1, bytes + 1, file);
    bool same = found != NULL && found_bytes == bytes && memcmp(found, text, bytes) == 0;
    if (!same)
        fprintf(stderr, "%s is not what the table of %s says: run %s > %s\n", argv[1], table,
                argv[0], argv[1]);
    if (file != NULL) fclose(file);
    free(found);
    free(text);
    return same ? 0 : 1;
}
