/* One LARS update, see lars.h. The momentum buffer does not contain the learning rate. */
#include "optim/lars.h"

#include <math.h>

static double norm(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

void mx_lars_update(float *w, float *g, float *mu, int64_t n, bool matrix, const mx_lars_config *c) {
    double scale = 1;
    if (matrix) {
        for (int64_t i = 0; i < n; i++) g[i] += (float)c->weight_decay * w[i];
        double p = norm(w, n), d = norm(g, n);
        if (p > 0 && d > 0) scale = c->trust * p / d;
    }
    for (int64_t i = 0; i < n; i++) {
        mu[i] = (float)(c->momentum * (double)mu[i] + scale * (double)g[i]);
        w[i] -= (float)(c->lr * (double)mu[i]);
    }
}
