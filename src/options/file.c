/* Option files: "name = value" lines, read with libinih and written so that every value is restored byte by
 * byte.
 *
 * libinih trims blanks at both ends of a value, ends it at " ;", and reads the rest of a line longer than 200
 * bytes as the next line. So a value that this would change is written in double quotes with \" \\ \xHH, in
 * pieces; a backslash after a piece says that the next, indented line continues it. The file is not trusted:
 * its size, its lines and every value are checked before use. See options.h. */
#include "options/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "base/text_stream.h"
#include "data/index.h"
#include "io/file.h"

#define MX_FILE_LIMIT  ((size_t)1 << 20)
#define MX_LINE_LIMIT  190  /* bytes; libinih's own limit is 200 less line end and terminator */
#define MX_VALUE_LIMIT 8192 /* bytes of one value: two of the longest paths */
#define MX_PIECE       120  /* bytes between two quotes: fits on a line after the longest name */

/* ---- reading ---- */

typedef struct {
    mx_options *o;
    unsigned commands;
    bool *given;
    mx_error *e;
    bool open;           /* the last line ended in a backslash */
    bool data, val_data; /* already given: a second data set is refused, so that none is dropped */
    bool backend;        /* given: see assign */
    char name[64], value[MX_VALUE_LIMIT];
    size_t length; /* of value */
} reader;

/* Value of two hex digits, or -1. */
static int hex_byte(const char *p) {
    const char digits[3] = {p[0], p[0] ? p[1] : 0, 0};
    if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1])) return -1;
    return (int)strtol(digits, NULL, 16);
}

/* Appends one quoted piece to the value; false if it is malformed. */
static bool unquote(reader *r, const char *p) {
    for (p++; *p && *p != '"'; p++) {
        int c = (unsigned char)*p;
        if (c == '\\') {
            c = (unsigned char)*++p;
            if (c == 'x' && (c = hex_byte(p + 1)) > 0)
                p += 2;
            else if (c != '"' && c != '\\')
                return false;
        }
        if (r->length + 1 >= sizeof r->value) return false;
        r->value[r->length++] = (char)c;
    }
    if (*p++ != '"') return false;
    while (*p == ' ' || *p == '\t') p++;
    r->open = *p == '\\';
    r->value[r->length] = 0;
    return !p[r->open];
}

static mx_status assign(reader *r, const char *name, const char *value) {
    /* Older runs hold `backend = NAME`, which is now device. It wins over their `device`, which was always cpu. */
    bool backend = !strcmp(name, "backend");
    if (r->backend && !strcmp(name, "device")) return MX_OK;
    if (backend) name = "device", r->backend = true;
    int row = mx_option_find(name, r->commands);
    if (row < 0) /* a run's file also serves `plan`: options of other commands are ignored */
        return mx_option_find(name, 0) < 0 ? mx_options_unknown(name, r->commands, r->e) : MX_OK;
    if (!strcmp(name, "config"))
        return mx_fail(r->e, MX_ERR_ARGUMENT, "an option file cannot name another one (config = %s)", value);
    bool *was = !strcmp(name, "data") ? &r->data : !strcmp(name, "val-data") ? &r->val_data : NULL;
    if (was && *was)
        return mx_fail(r->e, MX_ERR_ARGUMENT, "%s: expected one data set, found a second one, %s", name,
                       value);
    if (was) *was = true;
    if (!mx_options_set_row(r->o, row, value, r->e) && r->given) r->given[row] = true;
    return r->e->status;
}

static int file_line(void *user, const char *section, const char *name, const char *value) {
    reader *r = user;
    bool more = r->open;
    (void)section;
    if (r->e->status) return 0;
    r->open = false;
    if (more && (strcmp(name, r->name) || *value != '"'))
        mx_fail(r->e, MX_ERR_FORMAT, "%s: expected another piece in quotes after the backslash", r->name);
    else if (*value != '"')
        assign(r, name, value);
    else {
        if (!more) r->length = 0;
        snprintf(r->name, sizeof r->name, "%s", name);
        if (!unquote(r, value))
            mx_fail(r->e, MX_ERR_FORMAT,
                    "%s: expected text in double quotes with only \\\" \\\\ and \\xHH escaped (; is \\x3b)",
                    name);
        else if (!r->open)
            assign(r, name, r->value);
    }
    return r->e->status == MX_OK;
}

/* Does the line end in a quote and a backslash? */
static bool continues(const char *line, const char *end) {
    while (end > line && isspace((unsigned char)end[-1])) end--;
    if (end == line || *--end != '\\') return false;
    while (end > line && isspace((unsigned char)end[-1])) end--;
    return end > line && end[-1] == '"' && *line != ';' && *line != '#';
}

/* Checks the length of each line, and removes leading blanks unless the line continues a value: libinih would
 * append any indented line to the value above it. In place. */
static mx_status prepare(char *text, mx_error *e) {
    char *to = text;
    bool open = false;
    int number = 1;
    for (char *line = text; *line; number++) {
        char *end = line + strcspn(line, "\n"), *next = *end ? end + 1 : end;
        if (!open) line += strspn(line, " \t");
        if (end - line > MX_LINE_LIMIT)
            return mx_fail(
                e, MX_ERR_FORMAT,
                "line %d has %td bytes, expected at most %d: write a long value as \"piece\" \\ and "
                "the next \"piece\" indented in the next line",
                number, end - line, MX_LINE_LIMIT);
        open = continues(line, end);
        memmove(to, line, (size_t)(next - line));
        to += next - line;
        line = next;
    }
    *to = 0;
    return MX_OK;
}

mx_status mx_options_read(mx_options *o, const char *path, unsigned commands, bool *given, mx_error *e) {
    void *bytes = NULL;
    size_t size = 0;
    mx_error own = {0};
    reader *r = calloc(1, sizeof *r);
    if (!r) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    *r = (reader){.o = o, .commands = commands, .given = given, .e = &own};
    if (mx_file_read(path, MX_FILE_LIMIT, &bytes, &size, &own)) {
        mx_fail_where(&own, "option file");
        goto done;
    }
    if (strlen(bytes) != size)
        mx_fail(&own, MX_ERR_FORMAT, "expected text, found a zero byte at %zu", strlen(bytes));
    if (own.status || prepare(bytes, &own)) {
        mx_fail_where(&own, "%s", path);
        goto done;
    }
    int line = ini_parse_string(bytes, file_line, r);
    if (line && !own.status) mx_fail(&own, MX_ERR_FORMAT, "expected \"name = value\"");
    if (line) mx_fail_where(&own, "%s, line %d", path, line);
    if (r->open) mx_fail(&own, MX_ERR_FORMAT, "%s: the value of %s is not finished", path, r->name);
done:
    free(bytes);
    free(r);
    return own.status ? mx_fail(e, own.status, "%s", own.text) : MX_OK;
}

/* ---- writing ---- */

static bool is_plain(const char *value) {
    size_t n = strlen(value);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)value[i] < ' ' || strchr(";#\"\\\x7f", value[i])) return false;
    return n && n <= MX_PIECE && value[0] != ' ' && value[n - 1] != ' ';
}

static void write_quoted(FILE *f, const char *value) {
    int used = 0;
    fputc('"', f);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (used > MX_PIECE - 4) {
            fputs("\" \\\n    \"", f);
            used = 0;
        }
        if (c == '"' || c == '\\')
            used += fprintf(f, "\\%c", c);
        else if (c < ' ' || c == 0x7f || c == ';')
            used += fprintf(f, "\\x%02x", c);
        else
            used += fprintf(f, "%c", c);
    }
    fputc('"', f);
}

char *mx_options_text(const mx_options *o, mx_command command) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = mx_text_stream(&text, &size);
    bool whole = true;
    if (!f) return NULL;
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        bool ours = r->commands & (unsigned)command && mx_options_has(o, i);
        char *value = ours ? mx_options_get(o, i) : NULL;
        if (ours && !value) whole = false;
        if (value && strcmp(r->name, "config") && strcmp(r->name, "resume") &&
            strcmp(r->name, "other-machine")) { /* these are not of the run, but of this process */
            fprintf(f, "%s = ", r->name);
            if (is_plain(value))
                fputs(value, f);
            else
                write_quoted(f, value);
            fputc('\n', f);
        }
        free(value);
    }
    if (ferror(f)) whole = false;
    if (!fclose(f) && whole) return text;
    free(text);
    return NULL;
}

/* ---- a run's options.ini ---- */

#define MX_FIRST_LINE MX_RUN_MARK "%s, %s" /* version, command */

mx_command mx_run_command(const char *options_path) {
    char line[128] = "", version[32], name[32];
    FILE *f = fopen(options_path, "r");
    if (f && !fgets(line, sizeof line, f)) line[0] = 0;
    if (f) fclose(f);
    return sscanf(line, "; mixmae %31[^,], %31s", version, name) == 2 ? mx_command_find(name) : (mx_command)0;
}

mx_status mx_run_options_read(mx_options *o, mx_command command, const char *options_path, mx_error *e) {
    if (mx_options_init(o, e) || mx_options_defaults(o, command, e) ||
        mx_options_set(o, "dtype", "f32", e)) /* older files lack dtype: f32 was the only type */
        return e->status;
    return mx_options_read(o, options_path, command, NULL, e);
}

mx_status mx_run_options_write(const char *options_path, mx_command command, const mx_options *o,
                               mx_error *e) {
    char *text = mx_options_text(o, command), *file = NULL;
    if (!text || asprintf(&file, MX_FIRST_LINE "\n%s", mixmae_version(), mx_command_name(command), text) < 0)
        mx_fail(e, MX_ERR_MEMORY, "out of memory while writing %s", options_path);
    else
        mx_file_write(options_path, file, strlen(file), e);
    free(file);
    free(text);
    return e->status;
}
