/* Counter-based random numbers: every draw is a function of (seed, purpose, a, b) and its position in that stream,
 * never of thread or time, so checkpoints save no generator state. The generator is Philox 4x32-10 (Salmon et al.,
 * "Parallel random numbers: as easy as 1, 2, 3", SC 2011). */
#ifndef MX_BASE_RNG_H
#define MX_BASE_RNG_H

#include <stdint.h>

/* The purpose of a stream. Results depend on these numbers: only append. */
typedef enum {
    MX_RNG_INIT = 1,     /* a: parameter index */
    MX_RNG_MASK = 2,     /* a: optimiser step, b: micro-batch */
    MX_RNG_ORDER = 3,    /* a: epoch; permutation of the data set */
    MX_RNG_AUGMENT = 4,  /* a: epoch, b: position k in the epoch */
    MX_RNG_REPLACE = 5,  /* a: epoch, b: position k; draw number = attempt (broken files) */
    MX_RNG_DROPPATH = 6, /* a: optimiser step, b: micro-batch */
    MX_RNG_SYNTH = 7,    /* a: class, b: image */
    MX_RNG_HOLDOUT = 8,  /* a: batch; masks of the held-out loss */
    MX_RNG_TEST = 9,
    MX_RNG_MIXUP = 10,  /* a: optimiser step, b: micro-batch */
    MX_RNG_SUBSET = 20, /* a: class; which of its images a subset keeps */
    MX_RNG_PACK = 21,   /* order of the packed samples */
    MX_RNG_SHARE = 22,  /* a: class; which of its images are split off as held out */
    MX_RNG_BALANCE = 23 /* a: epoch; draws that make classes more equal in frequency */
} mx_rng_purpose;

typedef struct {
    uint32_t key[2], counter[4], out[4];
    int left; /* unused words of out */
} mx_rng;

mx_rng mx_rng_make(uint64_t seed, mx_rng_purpose purpose, uint64_t a, uint32_t b);
uint32_t mx_rng_u32(mx_rng *r);
/* Uniform in [0,1), 53 bits. */
double mx_rng_uniform(mx_rng *r);
/* Uniform integer in [0,n), n >= 1, without bias. */
uint64_t mx_rng_below(mx_rng *r, uint64_t n);
/* Standard normal (Box-Muller, one value per call). */
double mx_rng_normal(mx_rng *r);

#endif
