/* Traces in files.
 *
 * Whole files are read: a trace has to be in memory to be replayed, and its encodings are checked
 * as a whole (checksum, number of operations). Pipes are files as well, so the length is what the
 * read ends with, not what the system says before. Every failure is one message; the file's name is
 * the caller's to add.
 */
#include "trace/model.h"
#include "trace/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_STEP_BYTES = 1 << 16 };

struct content {
    uint8_t *bytes;
    size_t size, capacity;
};

static bool grow(struct content *content, size_t capacity) {
    uint8_t *bytes = realloc(content->bytes, capacity);
    if (!bytes) return false;
    content->bytes = bytes;
    content->capacity = capacity;
    return true;
}

static bool read_all(int file, struct content *content, struct ashlar_trace_error *error) {
    for (;;) {
        if (content->size == content->capacity &&
            !grow(content, content->capacity * 2 + FILE_STEP_BYTES))
            return ash_trace_fail(error, 0, content->size, "no memory to read the file");
        ssize_t count =
            read(file, content->bytes + content->size, content->capacity - content->size);
        if (count == 0) return true;
        if (count > 0) {
            content->size += (size_t)count;
        } else if (errno != EINTR) {
            return ash_trace_fail(error, 0, content->size, "cannot be read: %s", strerror(errno));
        }
    }
}

static bool read_file(const char *path, struct content *content, struct ashlar_trace_error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return ash_trace_fail(error, 0, 0, "cannot be opened: %s", strerror(errno));
    struct stat status;
    bool done = false;
    if (fstat(file, &status) == 0 && S_ISDIR(status.st_mode)) {
        ash_trace_fail(error, 0, 0, "is a directory");
    } else if (S_ISREG(status.st_mode) && status.st_size > 0 &&
               !grow(content, (size_t)status.st_size + 1)) {
        ash_trace_fail(error, 0, 0, "no memory to read the file");
    } else {
        done = read_all(file, content, error);
    }
    close(file);
    return done;
}

bool ashlar_trace_load(const char *path, enum ashlar_trace_format format, struct ashlar_trace *out,
                       struct ashlar_trace_error *error) {
    ashlar_trace_init(out);
    struct content content = {0};
    bool done = read_file(path, &content, error);
    /* every byte string is a raw trace, the empty one too */
    if (done && !content.size && format != ASHLAR_FORMAT_RAW)
        done = ash_trace_fail(error, 0, 0, "is empty");
    done = done && ashlar_trace_decode(content.bytes, content.size, format, out, error);
    free(content.bytes);
    return done;
}

static bool can_write(enum ashlar_trace_format format) {
    return format == ASHLAR_FORMAT_TEXT || format == ASHLAR_FORMAT_BINARY ||
           format == ASHLAR_FORMAT_RAW || format == ASHLAR_FORMAT_REP ||
           format == ASHLAR_FORMAT_MEMORY_REPLAY;
}

static bool refuse_format(enum ashlar_trace_format format, struct ashlar_trace_error *error) {
    return ash_trace_fail(error, 0, 0, "format `%s` is never written", ashlar_format_name(format));
}

bool ashlar_trace_write(const struct ashlar_trace *trace, FILE *stream,
                        enum ashlar_trace_format format, bool compress, size_t *lost,
                        struct ashlar_trace_error *error) {
    size_t uncounted = 0;
    if (!lost) lost = &uncounted;
    *lost = 0;
    bool done = false;
    errno = 0;
    switch (format) {
    case ASHLAR_FORMAT_TEXT:
        done = ash_text_write(trace, stream);
        break;
    case ASHLAR_FORMAT_BINARY:
        done = ash_container_write(trace, stream, compress, error);
        break;
    case ASHLAR_FORMAT_RAW:
        done = ash_raw_write(trace, stream, lost, error);
        break;
    case ASHLAR_FORMAT_REP:
        done = ash_rep_write(trace, stream, lost, error);
        break;
    case ASHLAR_FORMAT_MEMORY_REPLAY:
        done = ash_memory_replay_write(trace, stream, lost, error);
        break;
    default:
        return refuse_format(format, error);
    }
    if (done && (fflush(stream) != 0 || ferror(stream)))
        return ash_trace_fail(error, 0, 0, "cannot be written: %s", strerror(errno));
    return done;
}

bool ashlar_trace_save(const struct ashlar_trace *trace, const char *path,
                       enum ashlar_trace_format format, bool compress, size_t *lost,
                       struct ashlar_trace_error *error) {
    /* before the file is opened, which empties it */
    if (!can_write(format)) return refuse_format(format, error);
    FILE *stream = fopen(path, "wbe");
    if (!stream) return ash_trace_fail(error, 0, 0, "cannot be created: %s", strerror(errno));
    bool done = ashlar_trace_write(trace, stream, format, compress, lost, error);
    if (fclose(stream) != 0 && done)
        done = ash_trace_fail(error, 0, 0, "cannot be written: %s", strerror(errno));
    return done;
}
