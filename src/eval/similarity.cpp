#include "eval/similarity.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/layout.h"

namespace octet::eval {

namespace {

/// scores[column] = row · column, summed in the order of k.
void score_row(const float* row, int64_t width, const float* columns, std::span<float> scores) {
  std::ranges::fill(scores, 0.0F);
  for (int64_t k = 0; k < width; ++k) {
    const float factor = row[k];
    const float* other = columns + k * static_cast<int64_t>(scores.size());
    for (size_t column = 0; column < scores.size(); ++column) {
      scores[column] += factor * other[column];
    }
  }
}

}  // namespace

void for_each_similarity(
    const Tensor& a, const Tensor& b,
    const std::function<void(int64_t row, std::span<const float> scores)>& visit) {
  check(a.rank() == 2 && b.rank() == 2 && a.extent(1) == b.extent(1), "{} against {}",
        to_string(a.shape()), to_string(b.shape()));
  const int64_t width = a.extent(1);
  const int64_t columns = b.extent(0);
  const Tensor transposed = transpose_2d(b);
  const float* rows = a.values<float>().data();
  const float* others = transposed.values<float>().data();
  parallel_for(a.extent(0), 16, [&](int64_t begin, int64_t end) {
    std::vector<float> scores(static_cast<size_t>(columns));
    for (int64_t row = begin; row < end; ++row) {
      score_row(rows + row * width, width, others, scores);
      visit(row, scores);
    }
  });
}

int64_t rank_of(std::span<const float> scores, int64_t index) {
  const float own = scores[static_cast<size_t>(index)];
  int64_t rank = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    const bool before = scores[i] > own || (scores[i] == own && i < static_cast<size_t>(index));
    rank += int64_t{before};
  }
  return rank;
}

}  // namespace octet::eval
