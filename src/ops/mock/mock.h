/* The mock device, in builds for tests: two devices whose ops are the host backend's, on memory of their own. */
#ifndef MX_OPS_MOCK_MOCK_H
#define MX_OPS_MOCK_MOCK_H

#include "ops/backend.h"

const mx_backend *mx_mock_find(void);
int mx_mock_devices(void);
size_t mx_mock_available(int number);

#endif
