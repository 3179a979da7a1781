/* Writes an evaluation: tables as CSV and one HTML page. */
#ifndef MX_REPORT_EVALUATION_H
#define MX_REPORT_EVALUATION_H

#include "objective/evaluate.h"

typedef struct {
    const mx_evaluation *result;
    int classes;
    const char *const *name; /* [classes] */
    const char *checkpoint, *data;
    const mx_dataset *images; /* result->index are indices of it */
} mx_eval_story;

/* Makes the folder and writes confusion.csv, per_class.csv, predictions.csv and report.html into it. Up to 1,000
 * classes the confusion matrix has a row for each true class; for more it is a list of the cells that are not 0. */
mx_status mx_eval_report(const mx_eval_story *s, const char *folder, mx_error *e);

#endif
