/* A run's log, one JSON object per line: appending, and cutting back to a step. See events.h. */
#include "io/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "io/file.h"
#include "base/json_text.h"

#define MX_LOG_MAX_FILE ((size_t)1 << 31)

/* Does this line stay: an object without a step or with one that is not later? *memory: out of memory. */
static bool stays(const char *line, size_t n, int64_t step, bool *memory) {
    json_t *o = mx_json_parse(line, n, 0, NULL, memory);
    const json_t *v = json_object_get(o, "step");
    bool keep = json_is_object(o) && (!json_is_integer(v) || json_integer_value(v) <= step);
    json_decref(o);
    return keep;
}

mx_status mx_jsonl_cut(const char *path, int64_t step, mx_error *e) {
    void *bytes = NULL;
    size_t size = 0, kept = 0;
    if (!mx_path_exists(path)) return MX_OK;
    if (mx_file_read(path, MX_LOG_MAX_FILE, &bytes, &size, e)) return e->status;
    char *text = bytes;
    for (size_t at = 0; at < size;) {
        char *end = memchr(text + at, '\n', size - at);
        if (!end) break; /* a torn last line */
        size_t n = (size_t)(end - (text + at)) + 1;
        bool memory, stay = stays(text + at, n - 1, step, &memory);
        if (memory) {
            free(bytes);
            return mx_fail(e, MX_ERR_MEMORY, "out of memory for a line of %s", path);
        }
        if (stay) {
            memmove(text + kept, text + at, n);
            kept += n;
        }
        at += n;
    }
    if (kept < size) mx_file_write(path, text, kept, e);
    free(bytes);
    return e->status;
}

/* A full disk takes a part of a line; the next write says why. */
static bool put_all(int fd, const char *line, size_t n) {
    for (ssize_t put; n; line += put, n -= (size_t)put) {
        while ((put = write(fd, line, n)) < 0 && errno == EINTR) {}
        if (put < 0) return false;
    }
    return true;
}

mx_status mx_jsonl_append(const char *path, const char *json, mx_error *e) {
    size_t n = strlen(json);
    char *line = malloc(n + 2);
    if (!line) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a line of %s", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) {
        free(line);
        return mx_fail(e, MX_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    }
    memcpy(line, json, n);
    line[n] = '\n';
    bool put = put_all(fd, line, n + 1);
    mx_status s = put ? MX_OK : mx_fail(e, MX_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    free(line);
    if (close(fd) && put) s = mx_fail(e, MX_ERR_IO, "cannot close %s: %s", path, strerror(errno));
    return s;
}
