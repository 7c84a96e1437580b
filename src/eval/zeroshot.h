#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "eval/encoder.h"

namespace octet::eval {

struct ZeroShotOptions {
  std::vector<std::string> class_names;  ///< empty: the dataset's own
  std::vector<std::string> templates;    ///< "a photo of a {c}."; empty: the dataset's own
  bool strict = false;
};

struct ZeroShotResult {
  double acc1 = 0;
  double acc5 = 0;  ///< NaN with fewer than 5 classes
  double mean_per_class_recall = 0;
  int64_t images = 0;
  int64_t unreadable = 0;
  int64_t ties = 0;  ///< images whose best score several classes share
};

/// Classifier of prompt ensembles, F32 [classes, d]: per class the mean over templates of
/// normalised text embeddings, normalised again.
Tensor zero_shot_classifier(const Encoder& encoder, const std::vector<std::string>& class_names,
                            const std::vector<std::string>& templates, const Progress& progress);

/// Zero-shot classification as CLIP_benchmark defines it. Throws `Error(bad_input)` when class
/// names or templates are missing or labels do not fit them.
ZeroShotResult evaluate_zero_shot(const Encoder& encoder, data::Dataset& dataset,
                                  const ZeroShotOptions& options, const Progress& progress);

/// CLIP_benchmark's metrics object.
OrderedJson metrics_of(const ZeroShotResult& result);

}  // namespace octet::eval
