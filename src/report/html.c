/* Pieces of the report's page, see html.h. mx_html_escape escapes everything that comes from a file or a name. Pictures
 * are embedded in base64, so that the page is one file that opens without a network. */
#include "report/html.h"

#include "base/again.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"

#define MX_MOST_SMALL    6                  /* pictures of the course, in addition to the last one */
#define MX_MOST_PICTURE  ((size_t)32 << 20) /* bytes of a file */
#define MX_WIDE_PICTURE  760 /* pixels: from here on the picture takes the page's whole width */
#define MX_MOST_SETTINGS 400 /* lines of an options.ini that is not ours */

void mx_html_escape(FILE *f, const char *text) {
    for (; *text; text++) switch (*text) {
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '&': fputs("&amp;", f); break;
        case '"': fputs("&quot;", f); break;
        case '\'': fputs("&#39;", f); break;
        default: fputc((unsigned char)*text < 32 || *text == 127 ? ' ' : *text, f);
        }
}

/* ---- pictures ---- */

static void base64(FILE *f, const unsigned char *b, size_t n) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned v =
            (unsigned)b[i] << 16 | (i + 1 < n ? (unsigned)b[i + 1] << 8 : 0) | (i + 2 < n ? b[i + 2] : 0);
        fputc(digit[v >> 18], f), fputc(digit[v >> 12 & 63], f);
        fputc(i + 1 < n ? digit[v >> 6 & 63] : '=', f), fputc(i + 2 < n ? digit[v & 63] : '=', f);
    }
}

/* Step of a name like step-00000500.png, -1 for any other name. */
static long long step_of(const char *name) {
    char *end;
    if (strncmp(name, "step-", 5) || name[5] < '0' || name[5] > '9') return -1;
    errno = 0;
    long long step = strtoll(name + 5, &end, 10);
    return errno || strcmp(end, ".png") ? -1 : step;
}

static int is_picture(const struct dirent *d) { return step_of(d->d_name) >= 0; }
static int by_step(const struct dirent **a, const struct dirent **b) {
    long long x = step_of((*a)->d_name), y = step_of((*b)->d_name);
    return (x > y) - (x < y);
}

static uint32_t big_endian(const unsigned char *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Reads a PNG file and the size in its header; NULL for anything else. */
static unsigned char *read_png(const char *folder, const char *name, size_t *size, uint32_t *w, uint32_t *h,
                               mx_error *e) {
    char *path = NULL;
    void *bytes = NULL;
    mx_error unread = {0};
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory for %s", name);
        return NULL;
    }
    if (mx_file_read(path, MX_MOST_PICTURE, &bytes, size, &unread)) bytes = NULL;
    if (unread.status == MX_ERR_MEMORY) mx_fail(e, unread.status, "%s", unread.text);
    free(path);
    if (bytes && *size > 33 && !memcmp(bytes, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16)) {
        *w = big_endian((unsigned char *)bytes + 16), *h = big_endian((unsigned char *)bytes + 20);
        if (*w && *h && *w < 1u << 20 && *h < 1u << 20) return bytes;
    }
    free(bytes);
    return NULL;
}

/* false: the file is not a picture. `large`: the layout with a legend. */
static bool figure(FILE *f, const char *folder, const char *name, bool large, mx_error *e) {
    static const char *const column[][2] = {
        {"image", "as it is in the data"},
        {"mixed, as seen", "what the encoder saw: the other patches are another image's"},
        {"image rebuilt", "the missing patches, predicted from the image's own"},
        {"partner rebuilt", "the other image, predicted from its patches in the mix"}};
    size_t size = 0;
    uint32_t w = 0, h = 0;
    unsigned char *bytes = read_png(folder, name, &size, &w, &h, e);
    if (!bytes) return false;
    fprintf(f,
            "<figure%s><img alt=\"Reconstructions at step %lld\" width=\"%u\" height=\"%u\" "
            "src=\"data:image/png;base64,",
            !large                ? ""
            : w < MX_WIDE_PICTURE ? " class=\"beside\""
                                  : " class=\"large\"",
            step_of(name), w, h);
    base64(f, bytes, size);
    fprintf(f, "\"><figcaption>%sStep %lld%s", large ? "<b>" : "", step_of(name), large ? "</b><dl>" : "");
    for (int i = 0; large && i < 4; i++) fprintf(f, "<dt>%s</dt><dd>%s</dd>", column[i][0], column[i][1]);
    fprintf(f, "%s</figcaption></figure>\n",
            large ? "</dl><p>Visible patches are pasted in. With normalised pixels a predicted patch is "
                    "shown with the "
                    "true patch's mean and contrast, which the model does not predict.</p>"
                  : "");
    free(bytes);
    return true;
}

void mx_html_pictures(FILE *f, const char *run, mx_error *e) {
    struct dirent **list = NULL;
    char *folder = NULL;
    if (asprintf(&folder, "%s/pictures", run) < 0) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory");
        return;
    }
    int n, tries = 0;
    while ((n = scandir(folder, &list, is_picture, by_step)) < 0 && mx_again(&tries)) {}
    if (n < 0 && mx_error_passes(errno)) mx_fail(e, MX_ERR_IO, "cannot list %s: %s", folder, strerror(errno));
    int last = n - 1;
    if (n > 0) fputs("<section><h2>Reconstructions</h2>\n", f);
    while (last >= 0 && !figure(f, folder, list[last]->d_name, true, e)) last--;
    if (last > 0) {
        int small = last < MX_MOST_SMALL ? last : MX_MOST_SMALL;
        fputs("<h3>How it got there</h3>\n<div class=\"thumbs\">", f);
        for (int i = 0; i < small; i++) figure(f, folder, list[(long)i * last / small]->d_name, false, e);
        fputs("</div>\n", f);
    }
    if (n > 0) fputs("</section>\n", f);
    for (int i = 0; i < n; i++) free(list[i]);
    free(list);
    free(folder);
}

/* ---- settings ---- */

/* Shows stored numbers with seven digits. */
static void tidy(FILE *f, const char *value) {
    char text[512], *rest = text, *end;
    snprintf(text, sizeof text, "%s", value);
    for (char *p; (p = strsep(&rest, ","));) {
        double v = strtod(p, &end);
        if (end > p && !*end && strpbrk(p, ".e") && !strpbrk(p, "xX"))
            fprintf(f, "%.7g", v);
        else
            mx_html_escape(f, p);
        if (rest) fputs(", ", f);
    }
}

static void row(FILE *f, const char *name, const char *value, const char *note) {
    fputs("<div><dt>", f), mx_html_escape(f, name), fputs("</dt><dd>", f), tidy(f, value);
    fprintf(f, "%s%s%s</dd></div>\n", note ? " <i>" : "", note ? note : "", note ? "</i>" : "");
}

static void list_text(char out[160], const int *v, int n) {
    int at = 0;
    for (int i = 0; i < n; i++) at += snprintf(out + at, 160 - (size_t)at, "%s%d", i ? "," : "", v[i]);
}

/* The effective value of an option that was not given; false: it has none. */
static bool effective(char out[160], const char *name, const mx_settings *s) {
    const mx_model_config *m = &s->model;
    const struct {
        const char *name;
        double v;
    } number[] = {{"batch-size", s->batch},
                  {"epochs", s->epochs},
                  {"warmup-epochs", s->schedule.warmup_epochs},
                  {"lr", s->schedule.lr},
                  {"patch-size", m->patch},
                  {"channels", m->channels},
                  {"embed-dim", m->embed_dim},
                  {"decoder-dim", m->decoder_dim},
                  {"decoder-depth", m->decoder_depth},
                  {"decoder-num-heads", m->decoder_heads}};
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        if (!strcmp(name, number[i].name)) return snprintf(out, 160, "%.7g", number[i].v) > 0;
    if (!strcmp(name, "image-size")) return snprintf(out, 160, "%dx%d", m->image_h, m->image_w) > 0;
    const int *list = !strcmp(name, "depths")        ? m->depths
                      : !strcmp(name, "num-heads")   ? m->heads
                      : !strcmp(name, "window-size") ? m->windows
                                                     : NULL;
    if (list) list_text(out, list, m->stages);
    return list != NULL;
}

static void known_settings(FILE *f, const mx_options *o, const mx_settings *s) {
    unsigned command = s->objective->pretrains ? MX_CMD_PRETRAIN : MX_CMD_FINETUNE;
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        char filled[160], *value = r->commands & command ? mx_options_get(o, i) : NULL;
        if (value && !strncmp(value, "auto:", 5) && !strcmp(r->name, "dtype"))
            row(f, r->name, value + 5, "chosen by auto when the run began");
        else if (value && *value)
            row(f, r->name, value, NULL);
        else if (r->commands & command && effective(filled, r->name, s))
            row(f, r->name, filled, "by the model");
        free(value);
    }
}

static void raw_settings(FILE *f, const char *text) {
    int lines = 0;
    for (const char *p = text; *p && lines < MX_MOST_SETTINGS; lines++) {
        const char *end = strchrnul(p, '\n'), *equals = memchr(p, '=', (size_t)(end - p));
        if (*p != ';' && *p != '#' && equals) {
            char name[64], value[512];
            snprintf(name, sizeof name, "%.*s", (int)(equals - p < 63 ? equals - p : 63), p);
            snprintf(value, sizeof value, "%.*s", (int)(end - equals - 1 < 511 ? end - equals - 1 : 511),
                     equals + 1);
            row(f, name, value, NULL);
        }
        p = *end ? end + 1 : end;
    }
}

void mx_html_settings(FILE *f, const char *text, const mx_options *options, const mx_settings *settings) {
    fputs("<section><h2>Settings</h2>\n<dl class=\"settings\">\n", f);
    if (settings)
        known_settings(f, options, settings);
    else
        raw_settings(f, text);
    fputs("</dl></section>\n", f);
}
