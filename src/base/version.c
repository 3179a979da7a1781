/* The version set by CMake. For the build's components see api/about.c. */
#include "mixmae.h"

const char *mixmae_version(void) { return MIXMAE_VERSION; }
