/* Text files that describe data sets: lists, class names. They are not trusted: at most 2 GiB, no zeros, every line is
 * checked. */
#include "base/again.h"
#include "data/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More classes than the first number are accepted only if there are images for them. */
#define MX_CLASSES_MANY    65536
#define MX_CLASSES_A_IMAGE 16

char *mx_text_make(const char *format, ...) {
    va_list ap;
    char *text = NULL;
    va_start(ap, format);
    int n = vasprintf(&text, format, ap);
    va_end(ap);
    if (n < 0) mx_met(ENOMEM);
    return n < 0 ? NULL : text;
}

static mx_status read_open(char **bytes, size_t *size, int fd, const char *name, mx_error *e) {
    struct stat st;
    if (mx_stat_fd(fd, &st)) return mx_fail(e, MX_ERR_IO, "cannot look at %s: %s", name, strerror(errno));
    if (!S_ISREG(st.st_mode)) return mx_fail(e, MX_ERR_DATA, "%s: expected a plain file", name);
    if ((uint64_t)st.st_size > MX_TEXT_MAX)
        return mx_fail(e, MX_ERR_DATA, "%s: expected at most %zu bytes, found %lld", name, MX_TEXT_MAX,
                       (long long)st.st_size);
    size_t want = (size_t)st.st_size, have = 0;
    if (!(*bytes = malloc(want + 1)))
        return mx_fail(e, MX_ERR_MEMORY, "no memory for the %zu bytes of %s", want, name);
    while (have < want) {
        ssize_t n = read(fd, *bytes + have, want - have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mx_fail(e, MX_ERR_IO, "cannot read %s: %s", name, strerror(errno));
        if (!n) break;
        have += (size_t)n;
    }
    (*bytes)[ *size = have] = 0;
    return MX_OK;
}

mx_status mx_text_read(char **bytes, size_t *size, int root_fd, const char *name, mx_error *e) {
    char quoted[MX_QUOTE];
    *bytes = NULL, *size = 0;
    int fd = openat(root_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return mx_fail(e, MX_ERR_IO, "cannot open %s: %s", mx_quote(quoted, name), strerror(errno));
    mx_status s = read_open(bytes, size, fd, mx_quote(quoted, name), e);
    close(fd);
    if (s) free(*bytes), *bytes = NULL;
    return s;
}

mx_lines mx_lines_of(char *bytes, size_t size) {
    size_t mark = size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
    return (mx_lines){.at = bytes + mark, .end = bytes + size};
}

char *mx_lines_next(mx_lines *l, size_t *length) {
    while (l->at < l->end) {
        char *line = l->at, *end = memchr(line, '\n', (size_t)(l->end - line));
        if (!end) end = l->end;
        l->at = end + 1;
        l->number++;
        while (end > line && end[-1] == '\r') end--;
        *end = 0; /* at l->end: the 0 after the text */
        if ((*length = (size_t)(end - line))) return line;
    }
    return NULL;
}

bool mx_text_number(const char *text, int64_t *value) {
    size_t n = strspn(text, "0123456789");
    if (!n || n > 17 || text[n]) return false;
    *value = strtoll(text, NULL, 10);
    return true;
}

mx_status mx_text_classes(mx_index *x, int root_fd, const char *name, mx_error *e) {
    char *bytes, quoted[MX_QUOTE];
    size_t size, length;
    mx_status s = mx_index_add_holder(x, root_fd, name, NULL, e);
    if (!s) s = mx_text_read(&bytes, &size, root_fd, name, e);
    if (s) return s;
    mx_lines lines = mx_lines_of(bytes, size);
    for (char *line; !s && (line = mx_lines_next(&lines, &length));) {
        if (strlen(line) != length || length > 1000)
            s = mx_fail(e, MX_ERR_FORMAT, "%s, line %lld: expected a class name of at most 1000 characters",
                        mx_quote(quoted, name), (long long)lines.number);
        else
            s = mx_index_add_class(x, line, length, e);
    }
    free(bytes);
    if (!s && !x->classes)
        s = mx_fail(e, MX_ERR_FORMAT, "%s: expected class names, one a line, found none",
                    mx_quote(quoted, name));
    return s;
}

mx_status mx_text_sample(mx_index *x, const char *path, int64_t label, mx_error *e) {
    if (!*path || strlen(path) >= PATH_MAX)
        return mx_fail(e, MX_ERR_FORMAT, "expected a path of 1 to %d characters, found %zu", PATH_MAX - 1,
                       strlen(path));
    if (label >= MX_CLASSES_MAX)
        return mx_fail(e, MX_ERR_FORMAT, "expected a label below %d, found %lld", MX_CLASSES_MAX,
                       (long long)label);
    mx_status s = mx_index_add_file(x, path, e);
    if (!s) x->file[x->files - 1].label = (int32_t)label;
    return s;
}

mx_status mx_text_plausible(const mx_index *x, int64_t most, mx_error *e) {
    if (most < MX_CLASSES_MANY || most / MX_CLASSES_A_IMAGE < x->files) return MX_OK;
    return mx_fail(
        e, MX_ERR_FORMAT,
        "expected labels that number the classes of %lld images, found %lld: is that another number?",
        (long long)x->files, (long long)most);
}

mx_status mx_text_numbered(mx_index *x, int64_t most, mx_error *e) {
    mx_status s = mx_text_plausible(x, most, e);
    while (!s && x->classes <= most) {
        char name[24];
        int n = snprintf(name, sizeof name, "%lld", (long long)x->classes);
        s = mx_index_add_class(x, name, (size_t)n, e);
    }
    return s;
}
