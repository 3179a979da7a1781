/* Checks that a resumed run reads the same data set, which may have moved. */
#ifndef MX_RUN_SAME_DATA_H
#define MX_RUN_SAME_DATA_H

#include "run/run.h"

/* Keeps a copy of the old list of images. Call before opening a resumed run's data set, which may rewrite the list. */
void mx_same_data_keep(const mx_run *run);
/* Call after reading the state. The error names the difference. */
mx_status mx_same_data_check(const mx_run *run, mx_error *e);
/* Records in the state which held-out images there are, or that there are none. */
void mx_same_data_note(mx_run *run);
/* Call last: removes the old list, or restores it if the data set differs. */
void mx_same_data_drop(const mx_run *run, bool same);

#endif
