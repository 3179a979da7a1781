/* Pictures of an objective's panels (objective.h). */
#ifndef MX_REPORT_RECONSTRUCTION_H
#define MX_REPORT_RECONSTRUCTION_H

#include "train/step.h"

/* The panels as a picture. pixels: how the images were normalised. *out is made here. */
mx_status mx_panels_picture(mx_image *out, const mx_panels *p, const mx_model_config *m,
                            const mx_pixels *pixels, mx_error *e);
/* The same for a few images spread evenly over a data set, in the stepper's arena. */
mx_status mx_show_dataset(mx_stepper *stepper, const mx_dataset *data, const mx_pixels *pixels, mx_image *out,
                          mx_error *e);

#endif
