/* Files of an evaluation: tables as CSV and one HTML page. */
#ifndef MX_REPORT_EVALUATION_H
#define MX_REPORT_EVALUATION_H

#include "objective/evaluate.h"

typedef struct {
    const mx_evaluation *result;
    int classes;
    const char *const *name; /* [classes] */
    const char *checkpoint, *data;
    const mx_dataset *images; /* result->index counts in it */
} mx_eval_story;

/* folder/confusion.csv, per_class.csv, predictions.csv and report.html; makes the folder. Up to 1,000 classes
 * the confusion matrix is a table with a row a true class, above that a list of the cells that are not 0. */
mx_status mx_eval_report(const mx_eval_story *s, const char *folder, mx_error *e);

#endif
