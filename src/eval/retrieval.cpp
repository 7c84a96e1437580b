#include "eval/retrieval.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "eval/similarity.h"

namespace octet::eval {
namespace {

double recall(const std::vector<int64_t>& ranks, int64_t cutoff) {
  const auto found = std::ranges::count_if(ranks, [&](int64_t rank) { return rank < cutoff; });
  return static_cast<double>(found) / static_cast<double>(ranks.size());
}

/// For every text, the rank of its image.
std::vector<int64_t> image_ranks(const Tensor& texts, const Tensor& images,
                                 const std::vector<int64_t>& image_of_text) {
  std::vector<int64_t> ranks(image_of_text.size());
  for_each_similarity(texts, images, [&](int64_t row, std::span<const float> scores) {
    const auto index = static_cast<size_t>(row);
    ranks[index] = rank_of(scores, image_of_text[index]);
  });
  return ranks;
}

/// For every image, the best rank among its texts.
std::vector<int64_t> text_ranks(const Tensor& images, const Tensor& texts,
                                const std::vector<int64_t>& image_of_text) {
  std::vector<std::vector<int64_t>> texts_of(static_cast<size_t>(images.extent(0)));
  for (size_t text = 0; text < image_of_text.size(); ++text) {
    texts_of[static_cast<size_t>(image_of_text[text])].push_back(static_cast<int64_t>(text));
  }
  std::vector<int64_t> ranks(texts_of.size(), std::numeric_limits<int64_t>::max());
  for_each_similarity(images, texts, [&](int64_t row, std::span<const float> scores) {
    int64_t& best = ranks[static_cast<size_t>(row)];
    for (const int64_t text : texts_of[static_cast<size_t>(row)]) {
      best = std::min(best, rank_of(scores, text));
    }
  });
  return ranks;
}

}  // namespace

RetrievalResult evaluate_retrieval(const Encoder& encoder, data::Dataset& dataset,
                                   const std::vector<int64_t>& cutoffs, bool strict,
                                   const Progress& progress) {
  const EncodedImages images = encode_images(encoder, dataset, strict, progress);
  std::vector<std::string> texts;
  std::vector<int64_t> image_of_text;
  for (size_t image = 0; image < images.captions.size(); ++image) {
    for (const std::string& caption : images.captions[image]) {
      texts.push_back(caption);
      image_of_text.push_back(static_cast<int64_t>(image));
    }
  }
  if (texts.empty())
    fail_input("the dataset has no captions; retrieval needs images with captions");
  const Tensor embeddings = encode_texts(encoder, texts, progress);
  const std::vector<int64_t> per_text = image_ranks(embeddings, images.embeddings, image_of_text);
  const std::vector<int64_t> per_image = text_ranks(images.embeddings, embeddings, image_of_text);
  RetrievalResult result;
  for (const int64_t cutoff : cutoffs) {
    result.image_recall[cutoff] = recall(per_text, cutoff);
    result.text_recall[cutoff] = recall(per_image, cutoff);
  }
  result.images = static_cast<int64_t>(per_image.size());
  result.texts = static_cast<int64_t>(per_text.size());
  result.unreadable = images.unreadable;
  return result;
}

OrderedJson metrics_of(const RetrievalResult& result) {
  OrderedJson metrics;
  for (const auto& [cutoff, value] : result.image_recall) {
    metrics[fmt::format("image_retrieval_recall@{}", cutoff)] = value;
  }
  for (const auto& [cutoff, value] : result.text_recall) {
    metrics[fmt::format("text_retrieval_recall@{}", cutoff)] = value;
  }
  return metrics;
}

}  // namespace octet::eval
