/* The commands behind mixmae_run: each takes parsed options and reports through the sink. */
#ifndef MX_TRAIN_COMMANDS_H
#define MX_TRAIN_COMMANDS_H

#include "base/status.h"
#include "mixmae.h"
#include "options/options.h"

/* MX_OK or the failure, which becomes an exit code (run.c). */
mx_status mx_run_pretrain(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_finetune(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_eval(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_predict(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_embed(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_probe(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_plan(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_reconstruct(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_inspect(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_verify(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_synth(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_convert(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_pack(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);
mx_status mx_run_bench(const mixmae_options *options, const mixmae_sink *sink, mx_error *e);

#endif
