/* Starting and resuming in a run folder, see folder.h. */
#include "run/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/index.h"
#include "io/file.h"
#include "base/again.h"
#include "train/compute.h"

static char *join(const char *root, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/%s", root, name) < 0 ? NULL : path;
}

mx_status mx_run_paths_make(mx_run_paths *p, const char *root, mx_error *e) {
    *p = (mx_run_paths){.root = strdup(root),
                        .options = join(root, "options.ini"),
                        .state = join(root, "state.safetensors"),
                        .model = join(root, "model.safetensors"),
                        .best = join(root, "best.safetensors"),
                        .log = join(root, "log.jsonl"),
                        .pictures = join(root, "pictures"),
                        .report = join(root, "report.html"),
                        .index = join(root, "index.cache"),
                        .lock = join(root, ".lock")};
    if (!p->root || !p->options || !p->state || !p->model || !p->best || !p->log || !p->pictures ||
        !p->report || !p->index || !p->lock)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    return MX_OK;
}

void mx_run_paths_free(mx_run_paths *p) {
    if (!p) return;
    char **all[] = {&p->root, &p->options,  &p->state,  &p->model, &p->best,
                    &p->log,  &p->pictures, &p->report, &p->index, &p->lock};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(*all[i]);
        *all[i] = NULL;
    }
    if (p->locked) fclose(p->locked);
    p->locked = NULL;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

/* May this --dtype resume the run? auto equals the type that it chose. If this machine lacks the stored type
 * (mx_compute_make), every other type is accepted: the user was warned. */
static bool dtype_may_differ(mx_options *stored, int row, const char *is, mx_error *e) {
    mx_compute was, now;
    mx_error cannot = {0};
    bool auto_again = !strcmp(is, "auto");
    if (mx_compute_make(&now, stored->device, is, 0, e)) return true; /* not a type: e holds the error */
    mx_compute_make(&was, stored->device, stored->dtype, 0, &cannot);
    if (cannot.status == MX_ERR_UNSUPPORTED) return auto_again || !mx_options_set_row(stored, row, is, e);
    return !cannot.status && was.chosen && (auto_again || now.activations == was.activations);
}

/* May this --device resume the run? Devices of one backend compute the same bytes; stores the new one. */
static bool device_may_differ(mx_options *stored, int row, const char *is, mx_error *e) {
    const mx_backend *b = mx_backend_find(is);
    return b && b == mx_backend_find(stored->device) && !mx_options_set_row(stored, row, is, e);
}

static const char *off_name(const char *name, char out[48]) {
    snprintf(out, 48, "no-%s", name);
    return out;
}

/* Suggests another run, which starts from this one's weights. */
static void other_run(const mx_run_paths *p, mx_command command, const char *name, const char *value,
                      mx_error *e) {
    if (mx_path_exists(p->model))
        mx_fail_way(
            e,
            "to train on with other options, start another run from its weights: mixmae %s --config %s "
            "--init %s%s --%s%s%s --output NEW",
            mx_command_name(command), p->options, p->model, command == MX_CMD_FINETUNE ? " --keep-head" : "",
            name, value ? " " : "", value ? value : "");
}

/* Compares an option given with --resume to the stored one. Stores the new value if the difference does not matter. */
static mx_status reconcile(mx_run_paths *p, mx_command command, mx_options *stored, const mx_options *now,
                           int row, mx_error *e) {
    const mx_option_row *r = mx_option_at(row);
    if (!strcmp(r->name, "resume") || !strcmp(r->name, "config") || !strcmp(r->name, "output")) return MX_OK;
    char name[48], *was = mx_options_get(stored, row), *is = mx_options_get(now, row);
    if ((!was && mx_options_has(stored, row)) || (!is && mx_options_has(now, row)))
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the value of --%s", r->name);
    else if (!same_text(was, is) &&
             !(!strcmp(r->name, "device") && is && device_may_differ(stored, row, is, e)) &&
             !(!strcmp(r->name, "dtype") && dtype_may_differ(stored, row, is, e))) {
        bool place = !strcmp(r->name, "data") || !strcmp(r->name, "val-data");
        if (place && was && is) {
            p->data_moved = true; /* allowed; mx_same_data_check compares the contents */
            mx_options_set_row(stored, row, is, e);
        } else if (r->matters) {
            mx_fail(e, MX_ERR_ARGUMENT, "--%s: the run to resume was started with %s, not %s", r->name,
                    was ? was : "none", is ? is : "none");
            if (!place && strcmp(r->name, "init"))
                other_run(p, command,
                          r->kind == MX_VALUE_SWITCH && is && *is == 'f' ? off_name(r->name, name) : r->name,
                          r->kind == MX_VALUE_SWITCH ? NULL : is, e);
        } else
            mx_options_set_row(stored, row, is, e);
    } else if (!strcmp(r->name, "dtype") && !same_text(was, stored->dtype))
        p->dtype_changed = true;
    free(was);
    free(is);
    return e->status;
}

static mx_status take_stored(mx_run_paths *p, mx_command command, mx_options *o, const bool *given,
                             mx_error *e) {
    mx_options stored;
    mx_command was = mx_run_command(p->options);
    if (was && was != command)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "--resume %s: that is a run of %s, continue it with mixmae %s --resume %s", p->root,
                       mx_command_name(was), mx_command_name(was), p->root);
    if (mx_run_options_read(&stored, command, p->options, e)) goto fail;
    for (int i = 0; given && i < mx_option_count(); i++)
        if (given[i] && reconcile(p, command, &stored, o, i, e)) goto fail;
    if (mx_options_set(&stored, "resume", p->root, e) || mx_options_set(&stored, "output", p->root, e))
        goto fail;
    mx_options_free(o);
    *o = stored;
    return MX_OK;
fail:
    mx_options_free(&stored);
    return e->status;
}

mx_status mx_run_folder_dtype(const mx_run_paths *p, mx_command command, const mx_options *o, char **was,
                              mx_error *e) {
    mx_options stored;
    *was = NULL;
    if (mx_run_options_read(&stored, command, p->options, e) || same_text(stored.dtype, o->dtype)) goto done;
    if (!(*was = strdup(stored.dtype)))
        mx_fail(e, MX_ERR_MEMORY, "out of memory");
    else if (!mx_options_set(&stored, "dtype", o->dtype, e))
        mx_run_options_write(p->options, command, &stored, e);
done:
    mx_options_free(&stored);
    return e->status;
}

/* Paths become absolute, so that a run can be resumed from any folder. A missing file keeps its name for the error
 * message. */
static mx_status make_absolute(char **path, mx_error *e) {
    char *full = *path ? realpath(*path, NULL) : NULL;
    if (!full && *path && errno == ENOMEM)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the path %s", *path);
    if (full) {
        free(*path);
        *path = full;
    }
    return e->status;
}

static mx_status make_data_absolute(char **spec, mx_error *e) {
    char *full = *spec ? mx_dataset_absolute(*spec) : NULL;
    if (*spec && !full) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    free(*spec);
    *spec = full;
    return e->status;
}

bool mx_run_folder_saved(const mx_run_paths *p) {
    return mx_path_exists(p->state) || mx_path_exists(p->model) || mx_path_exists(p->best);
}

/* The error for a folder that is in use; suggests --resume if it holds a run. */
static mx_status not_empty(const mx_run_paths *p, mx_error *e) {
    mx_command was = mx_path_exists(p->options) ? mx_run_command(p->options) : (mx_command)0;
    mx_fail(e, MX_ERR_IO, "--output %s is not empty: choose another folder", p->root);
    if (was)
        mx_fail_way(e, "or continue the run in it with mixmae %s --resume %s", mx_command_name(was), p->root);
    return e->status;
}

static mx_status no_link(const char *path, mx_error *e) {
    struct stat st;
    if (lstat(path, &st) || !S_ISLNK(st.st_mode)) return MX_OK;
    return mx_fail(e, MX_ERR_IO,
                   "%s is a symbolic link: a run writes into its own folder only (the folder itself may be a "
                   "link); remove it",
                   path);
}

mx_status mx_run_folder_pictures(const mx_run_paths *p, mx_error *e) {
    if (no_link(p->pictures, e) || !mkdir(p->pictures, 0777) || errno == EEXIST) return e->status;
    return mx_fail(e, MX_ERR_IO, "cannot create folder %s: %s", p->pictures, strerror(errno));
}

/* Refuses links in place of the files that a run opens and writes in place: it would write somewhere else. All other
 * files replace a link, because they are created anew or renamed over it. */
static mx_status check_own(const mx_run_paths *p, mx_error *e) {
    return no_link(p->log, e) ? e->status : no_link(p->pictures, e);
}

/* Removes the files of `folder` whose names begin with `begin`. The folder itself must not be a link unless
 * may_be_link. */
static void remove_files(const char *folder, const char *begin, bool may_be_link) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (may_be_link ? 0 : O_NOFOLLOW));
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0) close(fd);
    if (!d) return;
    for (struct dirent *x; (x = mx_next_name(d));)
        if (!strncmp(x->d_name, begin, strlen(begin))) unlinkat(dirfd(d), x->d_name, 0);
    closedir(d);
}

/* Removes everything that a run writes before its first save. The lock goes last, and only if `lock`. */
static void clear(const mx_run_paths *p, bool lock) {
    const char *const files[] = {p->options, p->index, p->log, p->report};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(files[i]);
    remove_files(p->root, "events.out.tfevents.", true);
    remove_files(p->pictures, "step-", false);
    mx_folder_sweep(p->root);
    rmdir(p->pictures);
    if (lock) unlink(p->lock);
}

/* Was the run killed before it wrote its options? Then the folder holds only the lock, the index, an empty folder of
 * pictures and temporary files. */
static bool barely_begun(const mx_run_paths *p) {
    DIR *d = mx_open_folder(p->root);
    bool only = d && mx_path_exists(p->lock);
    for (struct dirent *x; only && (x = mx_next_name(d));)
        only = !strcmp(x->d_name, ".") || !strcmp(x->d_name, "..") || !strcmp(x->d_name, ".lock") ||
               !strcmp(x->d_name, "index.cache") || mx_name_is_temporary(x->d_name) ||
               (!strcmp(x->d_name, "pictures") && mx_folder_empty(p->pictures));
    if (d) closedir(d);
    return only;
}

/* May a new run use the folder? Yes if it is empty or belongs to a run that has saved nothing. */
static bool usable(mx_run_paths *p) {
    if (!mx_path_exists(p->root) || mx_folder_empty(p->root)) return true;
    return p->unsaved_run = (mx_run_command(p->options) && !mx_run_folder_saved(p)) || barely_begun(p);
}

mx_status mx_run_folder_open(mx_run_paths *p, mx_command command, mx_options *o, const bool *given,
                             bool *stored, bool *resumed, mx_error *e) {
    const char *root = o->resume ? o->resume : o->output;
    *stored = *resumed = false;
    if (!root)
        return mx_fail(e, MX_ERR_ARGUMENT, "--output RUN is needed: the folder that the run is written to");
    if (o->resume && o->output && strcmp(o->resume, o->output))
        return mx_fail(e, MX_ERR_ARGUMENT, "--output %s and --resume %s name different folders", o->output,
                       o->resume);
    if (make_data_absolute(&o->data, e) || make_data_absolute(&o->val_data, e) || make_absolute(&o->init, e))
        return e->status;
    if (mx_run_paths_make(p, root, e)) return e->status;
    if (o->resume && !mx_path_exists(root))
        return mx_fail(e, MX_ERR_IO, "--resume %s: there is no such folder", root);
    if (o->resume && mx_path_exists(p->options)) {
        if (mx_file_lock(&p->locked, p->lock, e) || check_own(p, e) || take_stored(p, command, o, given, e))
            return e->status;
        if (p->locked) mx_folder_sweep(p->root), mx_folder_sweep(p->pictures);
        *stored = true, *resumed = mx_path_exists(p->state);
        return MX_OK;
    }
    if (o->resume && (mx_path_exists(p->state) || !o->data))
        return mx_fail(e, MX_ERR_IO, "--resume %s: options.ini is missing, so this is not a run folder",
                       root);
    if (!o->resume && !usable(p)) return not_empty(p, e);
    if (!o->data)
        return mx_fail(e, MX_ERR_ARGUMENT, "--data DIR is needed: the folder of images to learn from");
    return o->output ? MX_OK : mx_options_set(o, "output", root, e);
}

mx_status mx_run_folder_start(mx_run_paths *p, mx_command command, const mx_options *o, mx_error *e) {
    p->created = !mx_path_exists(p->root);
    if (mx_folder_make(p->root, e)) return e->status;
    if (mx_file_lock(&p->locked, p->lock, e)) {
        if (p->created) rmdir(p->root); /* stays if anything is in it */
        return e->status;
    }
    if (mx_path_exists(p->options) && (!p->unsaved_run || mx_run_folder_saved(p)))
        return not_empty(p, e); /* another process was faster */
    if (p->unsaved_run && check_own(p, e)) return e->status;
    if (p->unsaved_run) clear(p, false);
    if (command == MX_CMD_PRETRAIN && mx_run_folder_pictures(p, e)) return e->status;
    return mx_run_options_write(p->options, command, o, e);
}

mx_status mx_run_folder_move(const mx_run_paths *p, mx_command command, const mx_options *o, mx_error *e) {
    return mx_run_options_write(p->options, command, o, e);
}

void mx_run_folder_undo(const mx_run_paths *p) {
    clear(p, true);
    if (p->created) rmdir(p->root);
}
