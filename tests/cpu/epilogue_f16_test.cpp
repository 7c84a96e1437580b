// Epilogues of FP16 graphs, in the processor's FP16 arithmetic and in every vector target's own,
// against one rounded step after the other.
#include "cpu/epilogue_f16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>

#include "cpu/column_vector.h"
#include "cpu/matrix_sets.h"
#include "cpu/vector_targets.h"
#include "tensor/codecs.h"
#include "tests/cpu/random_tensor.h"

namespace octet::cpu {
namespace {

constexpr int64_t kRows = 19;
constexpr int64_t kColumns = 96;
constexpr int64_t kFirstColumn = 32;  // of the panel that is finished
constexpr int64_t kFirstRow = 2;
constexpr int64_t kAllRows = kFirstRow + kRows + 1;

/// What each test finishes: a panel whose sums run through the numbers that rounding treats apart.
struct Work {
  ColumnVector scale = column_vector(nullptr, kColumns, 1.0F);
  ColumnVector bias = column_vector(nullptr, kColumns, 0.0F);
  ColumnVector ones = column_vector(nullptr, kColumns, 1.0F);
  Tensor residual = random_tensor(DType::f16, {kAllRows, kColumns}, 3);
  Tensor sums = random_tensor(DType::f32, {kRows, kPanelColumns}, 4);
  Tensor out = Tensor(DType::f16, {kAllRows, kColumns});
  std::unique_ptr<CodeTable> table = std::make_unique<CodeTable>();
  std::vector<const CodeTable*> tables = {nullptr, table.get(), nullptr};
  Epilogue epilogue;

  Work() {
    std::mt19937 random(5);
    std::uniform_real_distribution<float> exponents(-30.0F, 18.0F);
    for (float& sum : sums.mutable_values<float>()) sum *= std::exp2(exponents(random));
    const auto values = sums.mutable_values<float>();
    values[0] = std::numeric_limits<float>::infinity();
    values[1] = -std::numeric_limits<float>::infinity();
    values[2] = std::numeric_limits<float>::quiet_NaN();
    values[3] = -0.0F;
    values[4] = 65519.0F;  // the largest that rounds to a finite FP16 number, and the first that
    values[5] = 65520.0F;  // does not
    std::uniform_real_distribution<float> plain(-2.0F, 2.0F);
    for (float& value : scale.values()) value = 1.0F + 0.1F * plain(random);
    for (size_t i = 4; i <= 5; ++i) scale.values()[size_t{kFirstColumn} + i] = 1.0F;
    for (float& value : bias.values()) value = round_to_f16(plain(random));
    epilogue.scale = scale.data();
    epilogue.out_scale = ones.data();
    epilogue.out_inverse = ones.data();
    epilogue.out = out.mutable_bytes().data();
    epilogue.out_dtype = DType::f16;
    epilogue.f16_steps = true;
    epilogue.columns = kColumns;
    epilogue.stride = kColumns;
  }

  void add_bias() { epilogue.bias = bias.data(); }
  void add_residual() {
    epilogue.residual = residual.bytes().data();
    epilogue.residual_dtype = DType::f16;
  }
  void look_up_codes() {
    out = Tensor(DType::f8e4m3, {kAllRows, kColumns});
    epilogue.out = out.mutable_bytes().data();
    epilogue.out_dtype = DType::f8e4m3;
    epilogue.activation = Activation::quick_gelu;
    fill_code_table(epilogue, kFirstColumn, *table);
    epilogue.tables = tables.data();
  }

  /// What stands behind the bias.
  [[nodiscard]] float shifted(int64_t row, int64_t column) const {
    const auto index = static_cast<size_t>(row * kPanelColumns + column);
    const auto at = static_cast<size_t>(kFirstColumn + column);
    const float y = round_to_f16(sums.values<float>()[index] * scale.data()[at]);
    return epilogue.bias == nullptr ? y : round_to_f16(y + bias.data()[at]);
  }

  [[nodiscard]] uint16_t expected(int64_t row, int64_t column) const {
    const float y = shifted(row, column);
    if (epilogue.tables != nullptr) return (*table)[f32_to_f16(y)];
    if (epilogue.residual == nullptr) return f32_to_f16(y);
    return f32_to_f16(y + element_as_f32(residual, element(row, column)));
  }

  [[nodiscard]] static int64_t element(int64_t row, int64_t column) {
    return (kFirstRow + row) * kColumns + kFirstColumn + column;
  }

  void expect_finished() const {
    const bool codes = out.dtype() == DType::f8e4m3;
    Tensor rest = out;  // what must not be touched
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t column = 0; column < kPanelColumns; ++column) {
        const auto at = static_cast<size_t>(element(row, column));
        const uint16_t bits = codes ? out.values<uint8_t>()[at] : out.values<uint16_t>()[at];
        const uint16_t wanted = expected(row, column);
        const bool both_nan =
            !codes && std::isnan(f16_to_f32(bits)) && std::isnan(f16_to_f32(wanted));
        ASSERT_TRUE(bits == wanted || both_nan)
            << row << ", " << column << ": " << bits << " for " << wanted;
        if (codes) rest.mutable_values<uint8_t>()[at] = 0;
        if (!codes) rest.mutable_values<uint16_t>()[at] = 0;
      }
    }
    for (const std::byte byte : rest.bytes()) ASSERT_EQ(byte, std::byte{0});
  }
};

bool finish_in_f16(const Work& work) {
  return finish_rows_f16(work.epilogue, kFirstRow, kRows, kFirstColumn,
                         work.sums.values<float>().data());
}

/// Vector targets, and "f16" for the processor's arithmetic.
std::vector<std::string> ways() {
  std::vector<std::string> all = vector_targets();
  all.emplace_back("f16");
  return all;
}

class F16Epilogues : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() != "f16") return force_vector_target(GetParam());
    if (!has_avx512_fp16()) GTEST_SKIP() << "this processor has no FP16 arithmetic";
  }
  void TearDown() override { force_vector_target(""); }

  static void finish(const Work& work) {
    if (GetParam() == "f16") {
      ASSERT_TRUE(finish_in_f16(work));
    } else {
      finish_rows(work.epilogue, kFirstRow, kRows, kFirstColumn, work.sums.values<float>().data());
    }
    work.expect_finished();
  }
};

INSTANTIATE_TEST_SUITE_P(Targets, F16Epilogues, testing::ValuesIn(ways()),
                         [](const auto& test) { return test.param; });

TEST_P(F16Epilogues, ScaleAlone) {
  finish(Work());
}

TEST_P(F16Epilogues, Bias) {
  Work work;
  work.add_bias();
  finish(work);
}

TEST_P(F16Epilogues, Residual) {
  Work work;
  work.add_bias();
  work.add_residual();
  finish(work);
}

TEST_P(F16Epilogues, Codes) {
  Work work;
  work.add_bias();
  work.look_up_codes();
  finish(work);
}

TEST(F16Arithmetic, LeavesTheRestAlone) {
  if (!has_avx512_fp16()) GTEST_SKIP() << "this processor has no FP16 arithmetic";
  Work unrounded;
  unrounded.epilogue.f16_steps = false;
  EXPECT_FALSE(finish_in_f16(unrounded));
  Work fine_bias;
  fine_bias.add_bias();
  fine_bias.bias.values()[kFirstColumn + 7] = 1.0001F;
  EXPECT_FALSE(finish_in_f16(fine_bias));
  Work narrow;
  narrow.epilogue.columns = kFirstColumn + 31;
  EXPECT_FALSE(finish_in_f16(narrow));
  Work activated;
  activated.epilogue.activation = Activation::gelu;
  EXPECT_FALSE(finish_in_f16(activated));
  Work scaled;
  scaled.epilogue.alpha = scaled.ones.data();
  EXPECT_FALSE(finish_in_f16(scaled));
  Work codes;
  codes.epilogue.out_dtype = DType::f8e4m3;
  EXPECT_FALSE(finish_in_f16(codes));
  Work wide;
  wide.add_residual();
  wide.epilogue.residual_dtype = DType::f32;
  EXPECT_FALSE(finish_in_f16(wide));
}

}  // namespace
}  // namespace octet::cpu
