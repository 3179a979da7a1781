/* Checks images before a run begins: their channels fit the model, they can be read, and their values fit the
 * statistics. A failure of the first two is an error that names the option to change; the third only warns.
 * See check_data.h. */
#include "run/check_data.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/say.h"
#include "data/look.h"

#define MX_FAR_DEVIATIONS 30.0 /* of a value from the mean, under statistics of the data themselves */
#define MX_FAR_OTHERS     10.0 /* under statistics of a checkpoint or of the options */
#define MX_HUGE           1e30 /* no measured value is this large */
#define MX_DARK           0.25 /* of white: images whose brightest value is lower are too dark */

/* Are there more bad images than the loader will skip in an epoch? */
static bool too_many(const mx_run *run, int64_t bad, int64_t images) {
    double limit = run->settings.bad_share * (double)images;
    return bad > 0 && (double)bad > (limit > 1 ? limit : 1);
}

/* A number of channels that all images can be read with; 0: there is none. */
static int channels_of_all(const mx_dataset *d, const mx_look *look, mx_error *e) {
    int most = 0;
    for (int k = 1; k < look->kinds; k++)
        if (look->kind[k].count > look->kind[most].count) most = k;
    const int candidate[3] = {look->kind[most].channels, 3, 1};
    for (int i = 0; i < 3; i++) {
        bool all = candidate[i] <= MX_MAX_CHANNELS;
        for (int k = 0; k < look->kinds && all; k++) all = mx_look_fits(d, &look->kind[k], candidate[i], e);
        if (all) return candidate[i];
    }
    return 0;
}

static mx_status check_channels(const mx_run *run, const mx_dataset *d, const mx_look *look, mx_error *e) {
    int channels = run->settings.model.channels;
    const mx_look_kind *first = NULL;
    int64_t misfits = 0;
    char where[MX_WHERE];
    for (int k = 0; k < look->kinds; k++) {
        if (mx_look_fits(d, &look->kind[k], channels, e)) continue;
        if (e->status) return e->status;
        if (!first) first = &look->kind[k];
        misfits += look->kind[k].count;
    }
    if (!first || !too_many(run, misfits, look->images)) return MX_OK;
    mx_fail(e, MX_ERR_DATA,
            "the model has %d channel%s, but %" PRId64 " of %" PRId64
            " images cannot be read with that many: %s has %d",
            channels, channels > 1 ? "s" : "", misfits, look->images,
            mx_dataset_where(where, d, first->example[0]), first->channels);
    int all = channels_of_all(d, look, e);
    if (run->o.init)
        mx_fail_way(e, "the checkpoint of --init fixes the model's channels");
    else if (all && d == run->data)
        mx_fail_way(e, "--channels %d fits all of them", all);
    else if (d == run->held)
        mx_fail_way(e, "held-out images must have the channels of the training images");
    else
        mx_fail_way(e, "no number of channels fits all of them: remove one kind");
    return e->status;
}

static mx_status check_readable(const mx_run *run, const mx_dataset *d, const mx_look *look, mx_error *e) {
    char where[MX_WHERE];
    mx_image im = {0};
    mx_error why = {0};
    if (!too_many(run, look->unread, look->images)) return MX_OK;
    if (!mx_dataset_read(d, look->first_unread, run->settings.model.channels, &im, &why)) {
        mx_image_free(&im);
        return MX_OK;
    }
    if (why.status == MX_ERR_MEMORY) return mx_fail(e, why.status, "%s", why.text);
    mx_fail(e, MX_ERR_DATA, "%" PRId64 " of %" PRId64 " images cannot be read, the first: %s", look->unread,
            look->images, why.text[0] ? why.text : mx_dataset_where(where, d, look->first_unread));
    if (3 * look->unread < look->images)
        mx_fail_way(e, "--max-bad 1 trains on the others");
    else if (look->unread < look->images)
        mx_fail_way(e, "remove them, or make them again");
    return e->status;
}

/* ---- values ---- */

static bool ours(const mx_run *run) {
    return run->o.stats && !strcmp(run->o.stats, "auto") && !run->o.mean_count;
}

static bool imagenet(const mx_pixels *pixels, int channels) {
    const mx_pixels usual = mx_pixels_imagenet();
    return channels == 3 && !memcmp(pixels->mean, usual.mean, 3 * sizeof *usual.mean) &&
           !memcmp(pixels->std, usual.std, 3 * sizeof *usual.std);
}

/* A guess at the value of white: a usual one not far above the highest value, else that value rounded up. */
static double white_above(double highest) {
    static const double usual[] = {1, 255, 1023, 4095, 10000, 16383, 65535};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (highest <= usual[i] && highest >= MX_DARK * usual[i]) return usual[i];
    double unit = pow(10, floor(log10(highest)) - 1);
    return ceil(highest / unit) * unit;
}

/* The farthest value from the means of the statistics, in standard deviations. */
static double farthest(const mx_pixels *pixels, int channels, const mx_look_values *v) {
    double far = 0;
    for (int c = 0; c < channels; c++) {
        double m = (double)pixels->mean[c], s = (double)pixels->std[c];
        far = fmax(far, fmax((v->high[c] - m) / s, (m - v->low[c]) / s));
    }
    return far;
}

/* Describes how the values differ from what the statistics expect; "" if they agree. For statistics that were not
 * computed from these data. */
static void unexpected(char *what, size_t room, const mx_pixels *pixels, int channels,
                       const mx_look_values *v) {
    double far = farthest(pixels, channels, v);
    *what = 0;
    if (imagenet(pixels, channels)) {
        if (v->most > 1.001 || v->least < -0.001 || v->most < MX_DARK)
            snprintf(what, room, "where ImageNet's statistics expect 0 to %.10g", v->white);
    } else if (far < 0.1)
        snprintf(what, room, "which hardly differ under the statistics used");
    else if (far > MX_FAR_OTHERS)
        snprintf(what, room, "up to %.0f deviations from the mean that is used", far);
}

static void say_values(const mx_run *run, const mx_dataset *d, const mx_look_values *v, const char *what) {
    char where[MX_WHERE], range[64] = "";
    double low = v->least * v->white, high = v->most * v->white;
    double white = low >= 0 && high > 0 ? white_above(high) : 0;
    bool outside = v->most > 1 || v->least < 0;
    if (white > 0 && white != v->white)
        snprintf(range, sizeof range, "; --value-range %.10g makes %.10g 1", white, white);
    mx_notice(
        run->sink,
        "warning: values of the images lie between %.6g and %.6g (%s), %s; --stats auto measures them%s", low,
        high, mx_dataset_where(where, d, outside && v->most <= 1 ? v->least_at : v->most_at), what, range);
}

/* Warns of a value that seems to mark missing data: a negative one far from all others, which are not negative
 * (-9999), or one too large for any measurement (-3.4e38). */
static void say_marker(const mx_run *run, const mx_dataset *d, const mx_look_values *v) {
    char where[MX_WHERE];
    bool low = v->least < 0 && v->second >= 0 && v->second - v->least > v->most - v->second;
    bool huge = fmax(-v->least, v->most) * v->white >= MX_HUGE;
    if (v->whole || !(low || huge)) return;
    bool least = low || -v->least > v->most;
    mx_notice(
        run->sink,
        "warning: the value %.6g (%s) is far from all others, which lie between %.6g and %.6g: if it marks "
        "missing data, replace it",
        (least ? v->least : v->most) * v->white, mx_dataset_where(where, d, least ? v->least_at : v->most_at),
        (least ? v->second : v->least) * v->white, (least ? v->most : v->last_but_one) * v->white);
}

static void check_values(const mx_run *run, const mx_dataset *d, const mx_look_values *v) {
    char where[MX_WHERE], what[160];
    double far = farthest(&run->pixels, run->settings.model.channels, v);
    say_marker(run, d, v);
    if (!(v->most > v->least))
        mx_notice(run->sink, "warning: all values of the images looked at are %.6g (%s)", v->most * v->white,
                  mx_dataset_where(where, d, v->most_at));
    else if (ours(run)) {
        if (far > MX_FAR_DEVIATIONS)
            mx_notice(
                run->sink,
                "warning: values of the images lie between %.6g and %.6g (%s), %.0f deviations from their "
                "mean: if that marks missing data, give the statistics of the other values with --mean and --std",
                v->least * v->white, v->most * v->white, mx_dataset_where(where, d, v->most_at), far);
    } else {
        unexpected(what, sizeof what, &run->pixels, run->settings.model.channels, v);
        if (*what) say_values(run, d, v, what);
    }
}

static mx_status look_at_values(const mx_run *run, mx_error *e) {
    mx_look_values v;
    char where[MX_WHERE];
    if (mx_look_at_values(&v, run->data, run->settings.model.channels, run->pixels.value_range, e))
        return e->status;
    if (v.not_finite && v.not_finite == v.images)
        return mx_fail(e, MX_ERR_DATA,
                       "all %" PRId64
                       " images looked at hold NaN or infinity, the first: %s; replace these values by a "
                       "finite number",
                       v.images, mx_dataset_where(where, run->data, v.first_not_finite));
    if (v.not_finite)
        mx_notice(run->sink,
                  "warning: %" PRId64 " of %" PRId64 " images looked at hold NaN or infinity, the first: %s; "
                  "such images count as broken (--max-bad)",
                  v.not_finite, v.images, mx_dataset_where(where, run->data, v.first_not_finite));
    if (v.images > v.not_finite) check_values(run, run->data, &v);
    return MX_OK;
}

static void say_grey(const mx_run *run, const mx_look *look) {
    for (int k = 0; k < look->kinds; k++)
        if (look->kind[k].channels > 2) return;
    if (look->kinds && run->settings.model.channels == 3 && !run->o.init)
        mx_notice(run->sink, "grey      all images are grey, and the model sees that channel three times; "
                             "--channels 1 uses it once");
}

mx_status mx_check_data(const mx_run *run, mx_error *e) {
    mx_look look;
    if (run->resumed) return MX_OK;
    if (mx_look_kinds(&look, run->data, e) || check_readable(run, run->data, &look, e) ||
        check_channels(run, run->data, &look, e))
        return e->status;
    say_grey(run, &look);
    if (run->held) {
        if (mx_look_kinds(&look, run->held, e) || check_readable(run, run->held, &look, e) ||
            check_channels(run, run->held, &look, e))
            return e->status;
    }
    return MX_OK;
}

mx_status mx_check_values(const mx_run *run, mx_error *e) {
    return run->resumed ? MX_OK : look_at_values(run, e);
}

/* A finished model brings its statistics, so no option can help; but its results may be worthless. */
static void say_used(const mixmae_sink *sink, const mx_pixels *pixels, int channels, const mx_look_values *v,
                     const char *most, const char *least) {
    char what[160];
    if (v->images == v->not_finite || !(v->most > v->least)) return;
    unexpected(what, sizeof what, pixels, channels, v);
    bool outside = v->most > 1 || v->least < 0;
    if (*what)
        mx_notice(
            sink,
            "warning: values of the images lie between %.6g and %.6g (%s), %s: are they of the kind that "
            "the model was trained on?",
            v->least * v->white, v->most * v->white, outside && v->most <= 1 ? least : most, what);
}

void mx_check_used_data(const mixmae_sink *sink, const mx_pixels *pixels, int channels, const mx_dataset *d) {
    mx_look_values v;
    char most[MX_WHERE], least[MX_WHERE];
    if (mx_look_at_values(&v, d, channels, pixels->value_range, &(mx_error){0})) return;
    say_used(sink, pixels, channels, &v, mx_dataset_where(most, d, v.most_at),
             mx_dataset_where(least, d, v.least_at));
}

void mx_check_used_files(const mixmae_sink *sink, const mx_pixels *pixels, int channels, char *const *files,
                         int64_t count) {
    mx_look_values v;
    if (mx_look_at_files(&v, files, count, channels, pixels->value_range, &(mx_error){0})) return;
    say_used(sink, pixels, channels, &v, files[v.most_at], files[v.least_at]);
}
