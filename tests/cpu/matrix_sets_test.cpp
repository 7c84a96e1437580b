#include <gtest/gtest.h>

#include <cstdlib>

#include "cpu/matrix.h"
#include "tests/expect_error.h"

namespace octet::cpu {
namespace {

TEST(MatrixSets, TheLastRunsEverywhere) {
  EXPECT_EQ(matrix_sets().back().name, "highway");
  EXPECT_TRUE(matrix_sets().back().available());
}

TEST(MatrixSets, ForcingChoosesTheSetByName) {
  for (const MatrixSet& set : matrix_sets()) {
    if (!set.available()) {
      test::expect_error(ErrorCode::device_unavailable, {std::string(set.name)},
                         [&] { force_matrix_set(set.name); });
      continue;
    }
    force_matrix_set(set.name);
    EXPECT_EQ(matrix_set().name, set.name);
  }
  force_matrix_set("");
  EXPECT_TRUE(matrix_set().available());
}

TEST(MatrixSets, AnUnknownNameListsTheKnownOnes) {
  test::expect_error(ErrorCode::usage, {"no matrix kernel set 'sse9'", "highway"},
                     [] { force_matrix_set("sse9"); });
}

TEST(MatrixSets, OnlyExactProductsLeaveF32) {
  for (const MatrixSet& set : matrix_sets()) {
    if (!set.available()) continue;
    EXPECT_EQ(dot_kernels(set, DType::f32, DType::f8e4m3).element_bytes, 4);
    EXPECT_EQ(dot_kernels(set, DType::f8e4m3, DType::f16).element_bytes, 4);
  }
}

}  // namespace
}  // namespace octet::cpu
