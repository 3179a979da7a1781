/* The version that CMake was given. */
#include "mixmae.h"

const char *mixmae_version(void) { return MIXMAE_VERSION; }
