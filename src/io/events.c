/* TensorBoard event files, see events.h. A record is length, masked CRC of it, an Event message, masked CRC
 * of that. */
#include "io/events.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/again.h"
#include "io/crc32c.h"
#include "io/file.h"
#include "tensorboard.pb-c.h"

#define MX_EVENTS_MAX_FILE ((size_t)1 << 31)

struct mx_events {
    FILE *file;
    char *path;
};

static void put32(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t get32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static mx_status write_event(mx_events *w, Tb__Event *event, mx_error *e) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event->wall_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    size_t n = tb__event__get_packed_size(event);
    unsigned char *record = malloc(n + 16);
    if (!record) return mx_fail(e, MX_ERR_MEMORY, "out of memory for an event");
    put32(record, (uint32_t)n);
    put32(record + 4, (uint32_t)((uint64_t)n >> 32));
    put32(record + 8, mx_crc32c_masked(record, 8));
    tb__event__pack(event, record + 12);
    put32(record + 12 + n, mx_crc32c_masked(record + 12, n));
    if (fwrite(record, 1, n + 16, w->file) != n + 16)
        mx_fail(e, MX_ERR_IO, "cannot write %s: %s", w->path, strerror(errno));
    free(record);
    return e->status;
}

size_t mx_events_keep(const void *bytes, size_t size, int64_t step) {
    const unsigned char *b = bytes;
    size_t at = 0;
    while (size - at >= 16) {
        uint64_t n = (uint64_t)get32(b + at) | (uint64_t)get32(b + at + 4) << 32;
        if (get32(b + at + 8) != mx_crc32c_masked(b + at, 8) || n > size - at - 16) break;
        if (get32(b + at + 12 + n) != mx_crc32c_masked(b + at + 12, (size_t)n)) break;
        Tb__Event *event = tb__event__unpack(NULL, (size_t)n, b + at + 12);
        bool late = !event || event->step > step;
        if (event) tb__event__free_unpacked(event, NULL);
        if (late) break;
        at += 16 + (size_t)n;
    }
    return at;
}

static mx_status cut_file(const char *path, int64_t step, mx_error *e) {
    void *bytes = NULL;
    size_t size = 0;
    if (mx_file_read(path, MX_EVENTS_MAX_FILE, &bytes, &size, e)) return e->status;
    size_t keep = mx_events_keep(bytes, size, step);
    if (keep < size) mx_file_write(path, bytes, keep, e);
    free(bytes);
    return e->status;
}

static mx_status cut_folder(const char *folder, int64_t step, mx_error *e) {
    DIR *d = mx_open_folder(folder);
    if (!d) return mx_fail(e, MX_ERR_IO, "cannot list %s: %s", folder, strerror(errno));
    for (struct dirent *x; !e->status && (x = mx_next_name(d));) {
        char *path = NULL;
        size_t n = strlen(x->d_name);
        if (!strstr(x->d_name, "tfevents") || (n > 4 && !strcmp(x->d_name + n - 4, ".tmp"))) continue;
        if (asprintf(&path, "%s/%s", folder, x->d_name) < 0)
            mx_fail(e, MX_ERR_MEMORY, "out of memory");
        else
            cut_file(path, step, e);
        free(path);
    }
    closedir(d);
    return e->status;
}

/* A name that no other process start has: time, host, process, and a number that is increased while the name
 * exists. */
static mx_status open_new(mx_events *w, const char *folder, mx_error *e) {
    char host[64] = "host";
    gethostname(host, sizeof host - 1);
    for (int n = 0; n < 1000; n++) {
        free(w->path);
        w->path = NULL;
        if (asprintf(&w->path, "%s/events.out.tfevents.%010lld.%s.%ld.%d", folder, (long long)time(NULL),
                     host, (long)getpid(), n) < 0) {
            w->path = NULL;
            return mx_fail(e, MX_ERR_MEMORY, "out of memory");
        }
        int fd = open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno == EEXIST) continue;
        if (fd >= 0 && (w->file = fdopen(fd, "wb"))) return MX_OK;
        break;
    }
    return mx_fail(e, MX_ERR_IO, "cannot create %s: %s", w->path, strerror(errno));
}

mx_status mx_events_open(mx_events **out, const char *folder, int64_t resume_step, mx_error *e) {
    Tb__Event first = TB__EVENT__INIT;
    *out = NULL;
    if (resume_step >= 0 && cut_folder(folder, resume_step, e)) return e->status;
    mx_events *w = calloc(1, sizeof *w);
    if (!w) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    first.what_case = TB__EVENT__WHAT_FILE_VERSION;
    first.file_version = (char *)"brain.Event:2";
    if (open_new(w, folder, e) || write_event(w, &first, e)) {
        mx_events_close(w);
        return e->status;
    }
    *out = w;
    return MX_OK;
}

static mx_status write_value(mx_events *w, Tb__Value *value, int64_t step, mx_error *e) {
    Tb__Value *values[] = {value};
    Tb__Summary summary = TB__SUMMARY__INIT;
    Tb__Event event = TB__EVENT__INIT;
    summary.n_value = 1, summary.value = values;
    event.step = step, event.what_case = TB__EVENT__WHAT_SUMMARY, event.summary = &summary;
    return write_event(w, &event, e);
}

mx_status mx_events_scalar(mx_events *w, const char *tag, int64_t step, double value, mx_error *e) {
    Tb__Value v = TB__VALUE__INIT;
    v.tag = (char *)tag;
    v.value_case = TB__VALUE__VALUE_SIMPLE_VALUE; /* a member of a oneof is written also when it is 0 */
    v.simple_value = (float)value;
    return write_value(w, &v, step, e);
}

mx_status mx_events_image(mx_events *w, const char *tag, int64_t step, int width, int height, const void *png,
                          size_t size, mx_error *e) {
    Tb__Image image = TB__IMAGE__INIT;
    Tb__Value v = TB__VALUE__INIT;
    image.height = height, image.width = width, image.colorspace = 3;
    image.encoded_image_string.len = size, image.encoded_image_string.data = (uint8_t *)png;
    v.tag = (char *)tag, v.value_case = TB__VALUE__VALUE_IMAGE, v.image = &image;
    return write_value(w, &v, step, e);
}

mx_status mx_events_flush(mx_events *w, mx_error *e) {
    if (fflush(w->file)) return mx_fail(e, MX_ERR_IO, "cannot write %s: %s", w->path, strerror(errno));
    return MX_OK;
}

void mx_events_close(mx_events *w) {
    if (!w) return;
    if (w->file) fclose(w->file);
    free(w->path);
    free(w);
}
