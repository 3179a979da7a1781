/* Token order, merge tables, decoder rows and the mask's draw (model/token_tables.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/token_tables.h"

static mx_model_config config(void) { /* 3 stages, not square, a window larger than the last grid */
    return (mx_model_config){.image_h = 96,
                             .image_w = 64,
                             .patch = 4,
                             .channels = 3,
                             .stages = 3,
                             .embed_dim = 8,
                             .depths = {1, 1, 1},
                             .heads = {1, 1, 1},
                             .windows = {8, 4, 16},
                             .decoder_dim = 8,
                             .decoder_depth = 1,
                             .decoder_heads = 1};
}

static void random_mask(uint8_t *mask, int units, uint64_t seed, double ratio) {
    mx_rng r = mx_rng_make(seed, MX_RNG_TEST, 1, 0);
    mx_mask_draw(mask, units, ratio, 0, &r);
}

static void segments_cover_windows(void **state) {
    (void)state;
    mx_model_config c = config();
    mx_error e = {0};
    mx_token_tables m;
    assert_int_equal(mx_model_check(&c, &e), MX_OK);
    assert_int_equal(mx_token_tables_make(&m, &c, 4, true, &e), MX_OK);
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint8_t mask[64];
        random_mask(mask, m.units, seed, 0.5);
        mx_token_tables_set(&m, mask);
        for (int k = 0; k < 3; k++) {
            const mx_layout *lay = &m.layout[k];
            uint8_t *seen = calloc((size_t)lay->tokens, 1);
            assert_true(lay->segments <= lay->max_segments);
            assert_int_equal(lay->segment[0], 0);
            assert_int_equal(lay->segment[lay->segments], lay->tokens);
            for (int s = 0; s < lay->segments; s++) {
                int first = lay->segment[s], end = lay->segment[s + 1];
                assert_true(end > first && end - first <= lay->max_segment);
                for (int t = first; t < end; t++) {
                    int r = lay->raster[t] / lay->grid_w, col = lay->raster[t] % lay->grid_w;
                    int r0 = lay->raster[first] / lay->grid_w, c0 = lay->raster[first] % lay->grid_w;
                    assert_int_equal(r / lay->window_h, r0 / lay->window_h);
                    assert_int_equal(col / lay->window_w, c0 / lay->window_w);
                    assert_int_equal(lay->group[t], lay->group[first]);
                    int shift = 2 - k;
                    assert_int_equal(lay->group[t], mask[(r >> shift) * m.layout[2].grid_w + (col >> shift)]);
                    assert_int_equal(seen[lay->raster[t]]++, 0);
                }
            }
            free(seen);
        }
    }
    mx_token_tables_free(&m);
}

static void merging_takes_the_four_of_a_cell(void **state) {
    (void)state;
    mx_model_config c = config();
    mx_error e = {0};
    mx_token_tables m;
    uint8_t mask[64];
    assert_int_equal(mx_token_tables_make(&m, &c, 2, true, &e), MX_OK);
    random_mask(mask, m.units, 3, 0.5);
    mx_token_tables_set(&m, mask);
    for (int k = 0; k < 2; k++) {
        const mx_layout *from = &m.layout[k], *to = &m.layout[k + 1];
        for (int u = 0; u < to->tokens; u++)
            for (int j = 0; j < 4; j++) {
                int t = m.merge[k][4 * u + j], r = from->raster[t] / from->grid_w,
                    col = from->raster[t] % from->grid_w;
                assert_int_equal(r, 2 * (to->raster[u] / to->grid_w) + j % 2); /* row parity fastest */
                assert_int_equal(col, 2 * (to->raster[u] % to->grid_w) + j / 2);
                assert_int_equal(from->group[t], to->group[u]);
            }
    }
    mx_token_tables_free(&m);
}

static void every_patch_is_reconstructed_once(void **state) {
    (void)state;
    mx_model_config c = config();
    mx_error e = {0};
    for (int batch = 1; batch <= 5; batch++) {
        mx_token_tables m;
        uint8_t mask[64];
        assert_int_equal(mx_token_tables_make(&m, &c, batch, true, &e), MX_OK);
        random_mask(mask, m.units, (uint64_t)batch, 0.3);
        mx_token_tables_set(&m, mask);
        int *count = calloc((size_t)(batch * m.units), sizeof *count);
        for (int i = 0; i < batch * m.units; i++) {
            count[m.row_image[i] * m.units + m.row_patch[i]]++;
            assert_int_equal(m.all_image[m.rows[i]], m.row_image[i]);
            if (i) assert_true(m.rows[i] > m.rows[i - 1]);
        }
        for (int i = 0; i < batch * m.units; i++) assert_int_equal(count[i], 1);
        free(count);
        mx_token_tables_free(&m);
    }
}

static void masks_have_the_right_size_and_no_favourites(void **state) {
    (void)state;
    enum { UNITS = 49, DRAWS = 20000 };
    int hits[UNITS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        uint8_t mask[UNITS];
        int n = 0;
        mx_rng r = mx_rng_make(5, MX_RNG_MASK, (uint64_t)i, 0);
        mx_mask_draw(mask, UNITS, 0.5, 0, &r);
        for (int u = 0; u < UNITS; u++) n += mask[u], hits[u] += mask[u];
        assert_int_equal(n, 24); /* int(49 * 0.5), not 25 */
    }
    for (int u = 0; u < UNITS; u++) /* expected 9796 each, standard deviation 71: within 5 of them */
        assert_in_range(hits[u], 9796 - 355, 9796 + 355);
    int low = UNITS, high = 0;
    for (int i = 0; i < 2000; i++) {
        uint8_t mask[UNITS];
        int n = 0;
        mx_rng r = mx_rng_make(6, MX_RNG_MASK, (uint64_t)i, 0);
        mx_mask_draw(mask, UNITS, 0.5, 0.25, &r);
        for (int u = 0; u < UNITS; u++) n += mask[u];
        low = n < low ? n : low, high = n > high ? n : high;
    }
    assert_int_equal(low, 24);
    assert_int_equal(high, 36); /* int(49 * 0.7499) */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(segments_cover_windows),
                                       cmocka_unit_test(merging_takes_the_four_of_a_cell),
                                       cmocka_unit_test(every_patch_is_reconstructed_once),
                                       cmocka_unit_test(masks_have_the_right_size_and_no_favourites)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
