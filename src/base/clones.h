/* MX_CLONES before a function with plain integer loops compiles it for AVX2 too, and the loader chooses the better
 * version. Both give the same results, since integers are not rounded. Empty on other machines, C libraries and
 * compilers, and under sanitizers, which start after the loader chooses. */
#ifndef MX_BASE_CLONES_H
#define MX_BASE_CLONES_H

#include <stdlib.h> /* defines __GLIBC__ */

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&                 \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MX_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define MX_CLONES
#endif

#endif
