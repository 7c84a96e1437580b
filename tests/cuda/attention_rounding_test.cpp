#include "tests/cuda/attention_rounding.h"

#include <gtest/gtest.h>

namespace octet::cuda {
namespace {

/// Samples are few, so their share differs from the table's by so much of it, and so much.
constexpr double kRelative = 0.2;
constexpr double kAbsolute = 0.003;

TEST(AttentionRounding, TheTableIsWhatASimulationGives) {
  for (const int rows : {128, 320, 640, 1024}) {
    for (const Scores scores :
         {Scores::normal, Scores::sharp, Scores::flat, Scores::huge, Scores::negative}) {
      AttentionCase c;
      c.scores = scores;
      c.batch = rows < 640 ? 2 : 1;
      c.problem.heads = rows < 640 ? 2 : 1;
      c.problem.head_dim = 64;
      c.problem.max_rows = rows;
      const double share = tabled_share(c);
      EXPECT_NEAR(simulate_share(c), share, kRelative * share + kAbsolute)
          << rows << " rows, scores " << static_cast<int>(scores);
    }
  }
}

}  // namespace
}  // namespace octet::cuda
