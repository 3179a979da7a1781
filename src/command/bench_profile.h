/* `mixmae bench --profile`: where a step's time goes, op by op. */
#ifndef MX_COMMAND_BENCH_PROFILE_H
#define MX_COMMAND_BENCH_PROFILE_H

#include "mixmae.h"
#include "train/step.h"

/* Does `steps` training steps on these images and prints a table to the sink: for forward, backward and
 * update each op with its calls, milliseconds a step, share of the step's wall time and rate, longest first;
 * then the phase's time outside ops, and the step's wall time, which all lines add up to. */
void mx_bench_profile(mx_stepper *stepper, mx_run_state *state, float *images, int steps,
                      const mixmae_sink *sink);

#endif
