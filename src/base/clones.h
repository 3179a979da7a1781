/* MX_CLONES in front of a function with plain loops over integers: it is compiled for AVX2 too, and the
 * better one is chosen when the program is loaded. Results are the same, since integers have no rounding.
 * Nothing on other machines, C libraries and compilers, and under sanitizers (the choice runs before they are
 * ready). */
#ifndef MX_BASE_CLONES_H
#define MX_BASE_CLONES_H

#include <stdlib.h> /* tells which C library this is */

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&                 \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MX_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define MX_CLONES
#endif

#endif
