/* The classifier's head: the mean over the tokens, one linear layer (docs/MODEL.md "From pixels to the loss"). */
#ifndef MX_MODEL_HEAD_CLASSIFIER_H
#define MX_MODEL_HEAD_CLASSIFIER_H

#include "model/head/heads.h"

extern const mx_head_kind mx_head_classifier;

#endif
