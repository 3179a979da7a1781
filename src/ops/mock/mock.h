/* The mock backend, in test builds: two devices with the ops of cpu (or ref) on separate memory. */
#ifndef MX_OPS_MOCK_MOCK_H
#define MX_OPS_MOCK_MOCK_H

#include "ops/backend.h"

const mx_backend *mx_mock_find(void);
int mx_mock_devices(void);
size_t mx_mock_available(int number);

#endif
