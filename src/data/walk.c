/* Lists a folder of images: the first step with a data set. The result is cached.
 *
 * It collects only names. If the file system's listing distinguishes files from folders, no image file is opened or
 * queried. Symbolic links are followed. A folder that is its own ancestor is skipped, which ends every cycle. Limits of
 * depth and number stop webs of links that are no cycles but have too many paths. This program's own files
 * (own_files.c) are skipped and counted. */
#include "base/again.h"
#include "data/passed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MX_WALK_DEPTH   64
#define MX_WALK_FOLDERS ((int64_t)1 << 24)

typedef struct ancestor {
    const struct ancestor *up;
    dev_t dev;
    ino_t ino;
    int depth;
} ancestor;

typedef struct {
    mx_index *x;
    int root_fd;
    const char *root;
    char
        path[PATH_MAX]; /* of the folder being listed, relative to root, with a trailing slash unless empty */
    size_t length;
    bool root_is_run; /* the requested folder is a run itself; then only its folder pictures is skipped */
    mx_passed passed;
    /* Kind of the first file that is skipped in this class folder; "": none, or only files that accompany images. */
    char kind[MX_PASSED_NAME];
    mx_error *e;
} walk;

static int64_t nanoseconds(struct timespec t) { /* wraps after 2262; only compared for equality */
    return (int64_t)((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
}

static bool is_ancestor(const ancestor *a, const struct stat *st) {
    for (; a; a = a->up)
        if (a->dev == st->st_dev && a->ino == st->st_ino) return true;
    return false;
}

static mx_status walk_folder(walk *w, int fd, const ancestor *up);

static mx_status cannot(walk *w, const char *what, int error) {
    char quoted[MX_QUOTE], root[MX_QUOTE];
    mx_quote(quoted, w->path), mx_quote(root, w->root);
    if (!*w->path) /* the root itself */
        return mx_fail(w->e, MX_ERR_IO, "cannot %s the folder %s: %s", what, root, strerror(error));
    return mx_fail(w->e, MX_ERR_IO, "cannot %s the folder %s in %s: %s", what, quoted, root, strerror(error));
}

static mx_status enter(walk *w, const ancestor *up) {
    int fd = openat(w->root_fd, w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) return walk_folder(w, fd, up);
    if (errno == ENOENT || errno == ENOTDIR) return MX_OK; /* removed since it was listed */
    return cannot(w, "open", errno);
}

/* True for an image, by its name or else by its content. Counts other files. */
static bool is_image(walk *w, int fd, const char *name) {
    if (mx_image_name_known(name)) return true;
    int64_t before = w->passed.files;
    if (mx_passed_is_image(&w->passed, fd, name, w->path)) return true;
    w->x->others += w->passed.files - before;
    if (!*w->kind && !mx_is_side_file(name)) mx_passed_last(&w->passed, w->kind);
    return false;
}

/* Enters a first-level folder. It may be a class, so if it has no images, mx_passed_folder reports it. */
static mx_status enter_class(walk *w, const char *name, const ancestor *up) {
    int64_t images = w->x->files, others = w->x->others, own = w->x->own;
    *w->kind = 0;
    mx_status s = enter(w, up);
    if (w->x->own > own && w->x->files == images && w->x->others == others)
        return s; /* a run, which is counted already */
    mx_passed_folder(&w->passed, name, w->x->files - images, w->x->others - others,
                     *w->kind ? w->kind : NULL);
    return s;
}

/* Takes one entry of the folder at w->path. */
static mx_status visit(walk *w, int fd, const struct dirent *entry, const ancestor *up) {
    const char *name = entry->d_name;
    if (name[0] == '.' || !strcmp(name, "lost+found"))
        return MX_OK; /* every ext4 disk has a lost+found, which only root can read */
    size_t before = w->length, n = strlen(name);
    bool folder = entry->d_type == DT_DIR;
    if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) {
        struct stat st;
        folder = mx_stat_at(fd, name, &st) == 0 && S_ISDIR(st.st_mode);
    }
    bool drawn = w->root_is_run && !before && folder && !strcmp(name, "pictures"); /* pictures of that run */
    bool own = drawn || (!folder && mx_is_features(fd, name));
    if (before + n + 2 > sizeof w->path) return cannot(w, "follow", ENAMETOOLONG);
    memcpy(w->path + before, name, n);
    memcpy(w->path + before + n, folder ? "/" : "", folder ? 2 : 1);
    w->length = before + n + (folder ? 1 : 0);
    mx_status s = MX_OK;
    if (own)
        s = mx_index_pass_over(w->x, w->path, w->e);
    else if (folder)
        s = before ? enter(w, up) : enter_class(w, name, up);
    else if (is_image(w, fd, name))
        s = mx_index_add_file(w->x, w->path, w->e);
    w->path[w->length = before] = 0;
    return s;
}

/* Lists the open folder fd, and closes it. */
static mx_status walk_folder(walk *w, int fd, const ancestor *up) {
    struct stat st;
    char quoted[MX_QUOTE];
    DIR *dir = NULL;
    mx_status s = MX_OK;
    if (mx_stat_fd(fd, &st)) { /* before listing, so that a later check finds changes made meanwhile */
        s = cannot(w, "look at", errno);
        goto done;
    }
    if (is_ancestor(up, &st)) goto done;
    if (up && mx_is_run_folder(w->root_fd, w->path)) {
        s = mx_index_pass_over(w->x, w->path, w->e);
        goto done;
    }
    ancestor here = {up, st.st_dev, st.st_ino, up ? up->depth + 1 : 0};
    if (here.depth > MX_WALK_DEPTH || w->x->folders >= MX_WALK_FOLDERS) {
        s = mx_fail(w->e, MX_ERR_DATA,
                    "%s: expected at most %d levels and %lld folders, found more (links in a web?)",
                    mx_quote(quoted, w->root), MX_WALK_DEPTH, (long long)MX_WALK_FOLDERS);
        goto done;
    }
    s = mx_index_add_folder(w->x, w->path, nanoseconds(st.st_mtim), w->e);
    if (!s && !(dir = fdopendir(fd))) s = cannot(w, "list", errno);
    while (!s) {
        const struct dirent *entry = mx_next_name(dir);
        if (entry)
            s = visit(w, fd, entry, &here);
        else if (errno)
            s = cannot(w, "list", errno);
        else
            break;
    }
done:
    if (dir)
        closedir(dir);
    else
        close(fd);
    return s;
}

static int by_name(const void *a, const void *b, void *names) {
    return strcmp((const char *)names + ((const mx_entry *)a)->name,
                  (const char *)names + ((const mx_entry *)b)->name);
}

mx_status mx_index_walk(mx_index *x, int root_fd, const char *root, mx_error *e) {
    walk *w = calloc(1, sizeof *w);
    if (!w) return mx_fail(e, MX_ERR_MEMORY, "out of memory listing a folder of images");
    *w = (walk){.x = x, .root_fd = root_fd, .root = root, .e = e};
    w->root_is_run = mx_is_run_folder(root_fd, "");
    int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mx_status s = fd < 0 ? cannot(w, "open", errno) : walk_folder(w, fd, NULL);
    if (!s) s = mx_passed_note(&w->passed, x, e);
    if (!s && x->files) qsort_r(x->file, (size_t)x->files, sizeof *x->file, by_name, x->names);
    free(w);
    return s;
}
