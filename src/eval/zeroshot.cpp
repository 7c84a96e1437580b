#include "eval/zeroshot.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "eval/similarity.h"

namespace octet::eval {
namespace {

constexpr std::string_view kPlaceholder = "{c}";

std::string fill(const std::string& pattern, const std::string& name) {
  std::string text = pattern;
  for (size_t at = text.find(kPlaceholder); at != std::string::npos;
       at = text.find(kPlaceholder, at + name.size())) {
    text.replace(at, kPlaceholder.size(), name);
  }
  return text;
}

void check_labels(const std::vector<int64_t>& labels, size_t classes) {
  for (const int64_t label : labels) {
    if (label < 0 || label >= static_cast<int64_t>(classes)) {
      fail_input("an image has class {}, but there are {} class names; give --classnames", label,
                 classes);
    }
  }
}

/// Mean over the classes that occur of the share of their images found first.
double mean_recall(const std::vector<int64_t>& labels, const std::vector<int64_t>& ranks,
                   size_t classes) {
  std::vector<double> hits(classes, 0);
  std::vector<double> totals(classes, 0);
  for (size_t i = 0; i < labels.size(); ++i) {
    totals[static_cast<size_t>(labels[i])] += 1;
    hits[static_cast<size_t>(labels[i])] += ranks[i] == 0 ? 1 : 0;
  }
  double sum = 0;
  double present = 0;
  for (size_t i = 0; i < classes; ++i) {
    if (totals[i] == 0) continue;
    sum += hits[i] / totals[i];
    present += 1;
  }
  return sum / present;
}

double share_below(const std::vector<int64_t>& ranks, int64_t limit) {
  const auto found = std::ranges::count_if(ranks, [&](int64_t rank) { return rank < limit; });
  return static_cast<double>(found) / static_cast<double>(ranks.size());
}

}  // namespace

Tensor zero_shot_classifier(const Encoder& encoder, const std::vector<std::string>& class_names,
                            const std::vector<std::string>& templates, const Progress& progress) {
  std::vector<std::string> prompts;
  for (const std::string& name : class_names) {
    for (const std::string& pattern : templates) prompts.push_back(fill(pattern, name));
  }
  const Tensor embeddings = encode_texts(encoder, prompts, progress);
  const auto width = static_cast<size_t>(embeddings.extent(1));
  const auto source = embeddings.values<float>();
  Tensor classifier(DType::f32, {static_cast<int64_t>(class_names.size()), embeddings.extent(1)});
  const auto target = classifier.mutable_values<float>();
  for (size_t c = 0; c < class_names.size(); ++c) {
    std::vector<double> mean(width, 0);
    for (size_t t = 0; t < templates.size(); ++t) {
      const size_t row = (c * templates.size() + t) * width;
      for (size_t i = 0; i < width; ++i) mean[i] += source[row + i];
    }
    double square = 0;
    for (const double value : mean) square += value * value;
    const double norm = std::max(std::sqrt(square), 1e-12);
    for (size_t i = 0; i < width; ++i) target[c * width + i] = static_cast<float>(mean[i] / norm);
  }
  return classifier;
}

ZeroShotResult evaluate_zero_shot(const Encoder& encoder, data::Dataset& dataset,
                                  const ZeroShotOptions& options, const Progress& progress) {
  const auto& names = options.class_names.empty() ? dataset.class_names() : options.class_names;
  const auto& templates = options.templates.empty() ? dataset.templates() : options.templates;
  if (names.empty()) fail_input("the dataset has no class names; give --classnames FILE");
  if (templates.empty()) fail_input("the dataset has no prompt templates; give --templates FILE");
  const Tensor classifier = zero_shot_classifier(encoder, names, templates, progress);
  const EncodedImages images = encode_images(encoder, dataset, options.strict, progress);
  check_labels(images.labels, names.size());
  std::vector<int64_t> ranks(images.labels.size());
  std::atomic<int64_t> ties{0};
  for_each_similarity(images.embeddings, classifier,
                      [&](int64_t row, std::span<const float> scores) {
                        const auto index = static_cast<size_t>(row);
                        ranks[index] = rank_of(scores, images.labels[index]);
                        ties += int64_t{std::ranges::count(scores, std::ranges::max(scores)) > 1};
                      });
  ZeroShotResult result;
  result.acc1 = share_below(ranks, 1);
  result.acc5 = names.size() < 5 ? std::numeric_limits<double>::quiet_NaN() : share_below(ranks, 5);
  result.mean_per_class_recall = mean_recall(images.labels, ranks, names.size());
  result.images = static_cast<int64_t>(ranks.size());
  result.unreadable = images.unreadable;
  result.ties = ties;
  return result;
}

OrderedJson metrics_of(const ZeroShotResult& result) {
  OrderedJson metrics;
  metrics["acc1"] = result.acc1;
  metrics["acc5"] = result.acc5;
  metrics["mean_per_class_recall"] = result.mean_per_class_recall;
  return metrics;
}

}  // namespace octet::eval
