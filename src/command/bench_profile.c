/* Where a step's time goes, see bench_profile.h. The ops measure themselves (mx_ctx.profile); backward begins
 * after the loss, which separates the phases. A forward op in backward recomputes an output that was not kept, to
 * save memory (model/block.h). */
#include "command/bench_profile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/say.h"

static const char *const phase_name[MX_PHASES] = {"forward", "backward", "update"};

/* The printed figures: sums over `steps` steps that took `wall` seconds. */
typedef struct {
    mx_profile profile;
    int steps;
    double wall;
} measured;

static double run(measured *m, mx_stepper *stepper, mx_run_state *state, float *images) {
    mx_profile *p = &m->profile;
    double start = mx_clock_now();
    stepper->session.ctx.profile = p;
    for (int i = 0; i < m->steps; i++) {
        for (int j = 0; j < stepper->settings.accum; j++) {
            mx_profile_enter(p, MX_PHASE_FORWARD);
            mx_step_micro(stepper, state->step, j, images, NULL);
        }
        mx_profile_enter(p, MX_PHASE_UPDATE);
        mx_step_update(stepper, state);
        mx_step_result_next(stepper, state, &(mx_step_result){0});
    }
    mx_profile_enter(p, MX_PHASE_FORWARD); /* ends the update */
    stepper->session.ctx.profile = NULL;
    return mx_clock_now() - start;
}

static void say_time(const mixmae_sink *sink, const measured *m, const char *what, double seconds) {
    mx_say(sink, "  %-24s %7s %10.3f %6.1f%%", what, "", 1e3 * seconds / m->steps, 100 * seconds / m->wall);
}

static void say_op(const mixmae_sink *sink, const measured *m, int i) {
    const mx_profile *p = &m->profile;
    char rate[32] = "";
    if (p->flops[i] > 0 && p->seconds[i] > 0)
        snprintf(rate, sizeof rate, " %10.1f", p->flops[i] / p->seconds[i] / 1e9);
    mx_say(sink, "  %-24s %7lld %10.3f %6.1f%%%s", p->name[i], (long long)p->calls[i] / m->steps,
           1e3 * p->seconds[i] / m->steps, 100 * p->seconds[i] / m->wall, rate);
}

/* Indices of the phase's ops, longest first; their number. */
static int longest_first(int order[MX_PROFILE_OPS], const mx_profile *p, int phase) {
    int n = 0;
    for (int i = 0; i < p->count; i++) {
        if ((int)p->phase[i] != phase) continue;
        int at = n++;
        for (; at > 0 && p->seconds[order[at - 1]] < p->seconds[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    return n;
}

/* Seconds of the phase's ops, printed together with the rest of the phase. */
static double say_phase(const mixmae_sink *sink, const measured *m, int phase) {
    int order[MX_PROFILE_OPS], n = longest_first(order, &m->profile, phase);
    double ops = 0, all = m->profile.wall[phase];
    mx_say(sink, "%-26s %7s %10s %7s %10s", phase_name[phase], "calls", "ms", "share", "GFLOP/s");
    for (int i = 0; i < n; i++) {
        say_op(sink, m, order[i]);
        ops += m->profile.seconds[order[i]];
    }
    say_time(sink, m, "outside ops", all - ops);
    say_time(sink, m, "together", all);
    return ops;
}

void mx_bench_profile(mx_stepper *stepper, mx_run_state *state, float *images, int steps,
                      const mixmae_sink *sink) {
    measured m = {.steps = steps};
    double ops = 0;
    m.wall = run(&m, stepper, state, images);
    mx_say(sink, "where a step's time goes: mean of %d step%s, %d thread%s", steps, steps == 1 ? "" : "s",
           stepper->settings.threads, stepper->settings.threads == 1 ? "" : "s");
    for (int phase = 0; phase < MX_PHASES; phase++) ops += say_phase(sink, &m, phase);
    mx_say(sink, "%-26s %7s %10s %7s", "step", "", "ms", "share");
    say_time(sink, &m, "all ops", ops);
    say_time(sink, &m, "outside ops", m.wall - ops);
    say_time(sink, &m, "wall time", m.wall);
}
