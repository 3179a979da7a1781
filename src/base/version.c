/* The version that CMake was given. What the build is made of: api/about.c. */
#include "mixmae.h"

const char *mixmae_version(void) { return MIXMAE_VERSION; }
