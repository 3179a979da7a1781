/* The data set of a resumed run, which may have been moved: it must be the same. Private to src/train. */
#ifndef MX_RUN_SAME_DATA_H
#define MX_RUN_SAME_DATA_H

#include "run/run.h"

/* Before the data set of a resumed run is opened, which may write its list anew: keeps the old list. */
void mx_same_data_keep(const mx_training *p);
/* After the state was read: an error that says what differs. */
mx_status mx_same_data_check(const mx_training *p, mx_error *e);
/* Keeps in the state which held-out images there are, or that there are none. */
void mx_same_data_note(mx_training *p);
/* Afterwards: the old list goes, or comes back where the data set was not the same. */
void mx_same_data_drop(const mx_training *p, bool same);

#endif
