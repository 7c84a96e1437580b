#pragma once

#include <map>
#include <vector>

#include "base/json.h"
#include "eval/encoder.h"

namespace octet::eval {

struct RetrievalResult {
  /// Per text: is its image among the first k? Mean over texts.
  std::map<int64_t, double> image_recall;
  /// Per image: is one of its texts among the first k? Mean over images.
  std::map<int64_t, double> text_recall;
  int64_t images = 0;
  int64_t texts = 0;
  int64_t unreadable = 0;
};

/// Zero-shot retrieval as CLIP_benchmark defines it; every caption counts. Throws
/// `Error(bad_input)` when the dataset has no captions.
RetrievalResult evaluate_retrieval(const Encoder& encoder, data::Dataset& dataset,
                                   const std::vector<int64_t>& cutoffs, bool strict,
                                   const Progress& progress);

/// CLIP_benchmark's metrics object: image_retrieval_recall@k, text_retrieval_recall@k.
OrderedJson metrics_of(const RetrievalResult& result);

}  // namespace octet::eval
