/* The table of objectives, see objective.h. */
#include <stdlib.h>
#include <string.h>

#include "objective/objective.h"

static const mx_objective *const rows[] = {&mx_mixmae, &mx_classify};

const mx_objective *mx_objective_of_command(const char *command) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i]->command, command)) return rows[i];
    return NULL;
}

void mx_panels_free(mx_panels *p) {
    if (!p) return;
    free(p->cell);
    free(p->memory);
    *p = (mx_panels){0};
}

int mx_cell_zoom(int height, int width) {
    int side = width < height ? width : height, other = width < height ? height : width;
    int zoom = side < MX_CELL ? (MX_CELL + side - 1) / side : 1, most = MX_CELL_LONG / other;
    return zoom <= most ? zoom : most > 1 ? most : 1;
}
