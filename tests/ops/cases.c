/* Makes the tensors of a case from its row, see cases.h. */
#include "cases.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

static double uniform(void) { /* in [-1, 1) */
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 40) / 8388608.0 - 1.0;
}

/* ---- layouts: windows in order; inside a window first group 0, then group 1. share: of tokens in group 1 */

typedef struct {
    int h, w, wh, ww;
    double share;
} map_shape;

static const map_shape map_shapes[] = {
    {14, 14, 7, 7, 0.5}, {14, 14, 14, 14, 0.5}, {6, 9, 3, 3, 0.6},   {14, 7, 14, 7, 0}, {7, 7, 7, 7, 0.3},
    {4, 4, 2, 2, 0.5},   {3, 3, 1, 1, 0.5},     {24, 24, 24, 24, 0}, {5, 5, 5, 5, 0},   {20, 21, 20, 21, 0},
    {6, 8, 3, 4, 0},     {6, 8, 3, 4, 0.5},     {2, 3, 2, 3, 0.5},   {4, 6, 4, 6, 0}};
#define DRAWN (int)(sizeof map_shapes / sizeof *map_shapes)

/* 4x6 tokens in windows of 2x3, with groups of 1+5, 6, 2+4 and 3+3 tokens, in an arbitrary order. */
static const int32_t own_raster[24] = {0,  1,  2,  6,  7,  8,  9,  10, 11, 3,  4,  5,
                                       14, 12, 13, 18, 19, 20, 21, 23, 16, 22, 15, 17};
static const int32_t own_segment[9] = {0, 1, 6, 12, 14, 18, 21, 24, 24};
static const mx_layout own = {4, 6, 2, 3, 24, 7, 6, 8, own_segment, own_raster, NULL};

typedef struct {
    mx_layout lay;
    int32_t segment[130], raster[1024];
    uint8_t group[1024];
} map;

static void draw_map(map *m, const map_shape *s) {
    int at = 0, segments = 0;
    for (int wy = 0; wy < s->h; wy += s->wh)
        for (int wx = 0; wx < s->w; wx += s->ww) {
            uint8_t mask[1024];
            for (int i = 0; i < s->wh * s->ww; i++) mask[i] = uniform() * 0.5 + 0.5 < s->share;
            for (uint8_t g = 0; g < 2; g++) {
                const int first = at;
                for (int i = 0; i < s->wh * s->ww; i++)
                    if (mask[i] == g)
                        m->raster[at] = (wy + i / s->ww) * s->w + wx + i % s->ww, m->group[at++] = g;
                if (at > first) m->segment[segments++] = first;
            }
        }
    const int most = 2 * (s->h / s->wh) * (s->w / s->ww);
    for (int i = segments; i <= most; i++) m->segment[i] = at;
    m->lay = (mx_layout){.grid_h = s->h,
                         .grid_w = s->w,
                         .window_h = s->wh,
                         .window_w = s->ww,
                         .tokens = s->h * s->w,
                         .segments = segments,
                         .max_segment = s->wh * s->ww,
                         .max_segments = most,
                         .segment = m->segment,
                         .raster = m->raster,
                         .group = s->share > 0 ? m->group : NULL};
}

static int64_t column(const op_row *row, int at, char letter, int64_t none) {
    const char *found = strchr(row->sizes->letters, letter);
    return found ? row->sizes->v[at][found - row->sizes->letters] : none;
}

const mx_layout *case_map(const op_row *row, int at) {
    static map made[DRAWN];
    const int64_t m = column(row, at, 'm', -1);
    if (m == DRAWN) return &own;
    if (!made[m].lay.tokens) draw_map(&made[m], &map_shapes[m]);
    return &made[m].lay;
}

int64_t case_size(const op_row *row, int at, char letter) {
    if (isdigit((unsigned char)letter)) return letter - '0';
    const int64_t given = column(row, at, letter, -1);
    if (given >= 0) return given;
    const mx_layout *lay = letter == 'w' ? NULL : case_map(row, at);
    if (letter == 'l') return lay->tokens;
    if (letter == 'e') return (int64_t)(2 * lay->window_h - 1) * (2 * lay->window_w - 1);
    return case_size(row, at, 'h') * case_size(row, at, 'd');
}

/* ---- tensors */

static void fill(mx_tensor *t, double scale, char type) {
    const int64_t n = mx_count(*t);
    t->type = type == 'h' ? MX_BF16 : type == 'd' ? MX_F64 : MX_F32;
    t->data = calloc(1, mx_bytes(*t) + 1);
    for (int64_t i = 0; i < n; i++) {
        const float x = (float)(scale * uniform());
        if (type == 'd') ((double *)t->data)[i] = 0;
        if (type == 'f') mx_f32(*t)[i] = x;
        if (type != 'h') continue;
        uint32_t bits =
            0; /* cuts off the lower half, so the values are exact in bf16; never with float as double */
        memcpy(&bits, &x, sizeof bits);
        ((uint16_t *)t->data)[i] = (uint16_t)(bits >> 16);
    }
}

static mx_tensor make(const op_row *row, int at, const char *word, size_t length, char type) {
    mx_tensor t = MX_ABSENT;
    double scale = 1;
    t.type = MX_F32;
    for (size_t i = 0; i < length; i++) {
        if (word[i] == '$')
            type = 'd';
        else if (word[i] == '*')
            scale = strtod(word + i + 1, NULL), i = length;
        else if (word[i] != '?')
            t.dim[t.ndim++] = case_size(row, at, word[i]);
        else if (!column(row, at, 'B', 1))
            return (mx_tensor)MX_ABSENT;
    }
    fill(&t, scale, type);
    return t;
}

void case_make(op_case *k, const op_row *row, int at, const char *types) {
    const op_sizes *s = row->sizes;
    *k = (op_case){.row = row};
    int used = snprintf(k->name, sizeof k->name, "%s%s%s", row->name, types ? " " : "", types ? types : "");
    for (size_t i = 0; i < strlen(s->letters) && used < (int)sizeof k->name; i++)
        used += snprintf(k->name + used, sizeof k->name - (size_t)used, " %c=%lld", s->letters[i],
                         (long long)s->v[at][i]);
    state = 1; /* so that a case does not depend on earlier ones */
    for (const char *c = k->name; *c; c++) state = state * 31 + (unsigned char)*c;
    for (const char *word = row->tensors; *word;) {
        const size_t length = strcspn(word, " ");
        k->t[k->count] = make(row, at, word, length, types ? types[k->count] : 'f');
        if (mx_present(k->t[k->count])) k->numbers += mx_count(k->t[k->count]);
        k->count++, word += length, word += *word == ' ';
    }
    k->more = row->more ? row->more(row, at) : NULL;
    if (row->prepare) row->prepare(k->t, s->v[at], k->more);
}

void case_free(op_case *k) {
    for (int i = 0; i < k->count; i++) free(k->t[i].data);
}
