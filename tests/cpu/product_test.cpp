// Matrix products of every kernel set and vector target against float64 sums.
#include "cpu/product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>

#include "base/threads.h"
#include "cpu/amx_product.h"
#include "cpu/column_vector.h"
#include "cpu/vector_targets.h"
#include "tests/cpu/random_tensor.h"

namespace octet::cpu {
namespace {

// Every product of two E4M3, or two BF16, values is exact in FP32, and so is any decoding; what is
// left is the rounding of FP32 sums: at most K ulps of the sum of magnitudes, in practice sqrt(K).
constexpr double kSumTolerance = 0x1p-24;
double tolerance(int64_t depth) {
  return kSumTolerance * (4 + 2 * std::sqrt(double(depth)));
}

struct Case {
  DType x;
  DType w;
  int64_t rows;
  int64_t columns;
  int64_t depth;
};

std::string describe(const Case& c) {
  return fmt::format("{} x {} M{} N{} K{}", name_of(c.x), name_of(c.w), c.rows, c.columns, c.depth);
}

Tensor multiply(const MatrixSet& set, DType x_type, const Tensor& x, const Tensor& w) {
  const Tensor packed = pack_matrix(w);
  const Product product(set, x_type, view_packed(packed));
  const int64_t rows = x.extent(0);
  const size_t rows_bytes = product.rows_bytes(rows);
  const size_t bytes = rows_bytes + product.scratch_bytes(rows);
  Tensor workspace(DType::u8, {static_cast<int64_t>(bytes)});
  std::ranges::fill(workspace.mutable_bytes(), std::byte{0xFF});  // NaN in every format
  const auto usable = workspace.mutable_bytes();
  const PreparedRows prepared = product.rows_in(usable.first(rows_bytes), rows);
  product.decode(x.bytes().data(), prepared);
  Tensor y(DType::f32, {rows, w.extent(1)});
  const ColumnVector scale = column_vector(nullptr, w.extent(1), 1.0F);
  const ColumnVector bias = column_vector(nullptr, w.extent(1), 0.0F);
  Epilogue epilogue;
  epilogue.scale = scale.data();
  epilogue.bias = bias.data();
  epilogue.columns = w.extent(1);
  epilogue.stride = w.extent(1);
  epilogue.out = y.mutable_bytes().data();
  product.run(prepared, epilogue, usable.subspan(rows_bytes));
  return y;
}

void expect_close(const Case& c, const Tensor& x, const Tensor& w, const Tensor& y) {
  const auto a = as_doubles(x);
  const auto b = as_doubles(w);
  const auto result = y.values<float>();
  for (int64_t m = 0; m < c.rows; ++m) {
    for (int64_t n = 0; n < c.columns; ++n) {
      double sum = 0.0;
      double size = 0.0;
      for (int64_t k = 0; k < c.depth; ++k) {
        const double term =
            a[static_cast<size_t>(m * c.depth + k)] * b[static_cast<size_t>(k * c.columns + n)];
        sum += term;
        size += std::abs(term);
      }
      ASSERT_NEAR(result[static_cast<size_t>(m * c.columns + n)], sum, tolerance(c.depth) * size)
          << describe(c) << " at " << m << ", " << n;
    }
  }
}

class Products : public ::testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] const MatrixSet& set() const {
    return *std::ranges::find(matrix_sets(), GetParam(), &MatrixSet::name);
  }
  void expect_right(const Case& c) const {
    const Tensor x = random_tensor(c.x, {c.rows, c.depth}, 1);
    const Tensor w = random_tensor(c.w, {c.depth, c.columns}, 2);
    expect_close(c, x, w, multiply(set(), c.x, x, w));
  }
};

std::vector<std::string> available_sets() {
  std::vector<std::string> names;
  for (const MatrixSet& set : matrix_sets()) {
    if (set.available()) names.emplace_back(set.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Sets, Products, ::testing::ValuesIn(available_sets()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(Products, EveryPairOfTypes) {
  for (const DType x : {DType::f32, DType::f16, DType::f8e4m3}) {
    for (const DType w : {DType::f32, DType::f16, DType::bf16, DType::f8e4m3}) {
      expect_right({x, w, 31, 72, 90});
    }
  }
}

TEST_P(Products, AwkwardSizes) {
  for (const int64_t rows : {1, 7, 15, 16, 17, 33, 65}) {
    for (const int64_t columns : {1, 33, 80}) {
      for (const int64_t depth : {1, 31, 32, 33, 88, 104}) {
        expect_right({DType::f32, DType::f32, rows, columns, depth});
        expect_right({DType::f8e4m3, DType::f8e4m3, rows, columns, depth});
      }
    }
  }
}

TEST_P(Products, DepthsBeyondASlice) {
  for (const DType dtype : {DType::f32, DType::f16, DType::f8e4m3}) {
    expect_right({dtype, dtype, 5, 40, 511});
    expect_right({dtype, dtype, 5, 40, 513});
    expect_right({dtype, dtype, 3, 33, 4304});
  }
}

TEST_P(Products, RowsBeyondABlock) {
  expect_right({DType::f8e4m3, DType::f8e4m3, 257, 130, 64});
  expect_right({DType::f32, DType::f32, 700, 33, 40});
}

TEST_P(Products, ADepthOfNothingGivesZeros) {
  expect_right({DType::f32, DType::f32, 3, 5, 0});
  expect_right({DType::f8e4m3, DType::f8e4m3, 3, 5, 0});
}

TEST_P(Products, HugeAndTinyCodes) {
  Tensor x(DType::f8e4m3, {4, 256});
  Tensor w(DType::f8e4m3, {256, 40});
  for (size_t i = 0; i < x.size_bytes(); ++i) {
    x.mutable_values<uint8_t>()[i] = static_cast<uint8_t>(i % 127 + 128 * (i % 2));
  }
  for (size_t i = 0; i < w.size_bytes(); ++i) {
    w.mutable_values<uint8_t>()[i] = static_cast<uint8_t>(i * 7 % 127 + 128 * (i % 3 % 2));
  }
  expect_close({DType::f8e4m3, DType::f8e4m3, 4, 40, 256}, x, w,
               multiply(set(), DType::f8e4m3, x, w));
}

TEST_P(Products, ThreadsAndNeighboursDoNotMatter) {
  for (const DType dtype : {DType::f32, DType::f8e4m3}) {
    const Tensor x = random_tensor(dtype, {65, 600}, 1);
    const Tensor w = random_tensor(dtype, {600, 100}, 2);
    set_thread_count(1);
    const Tensor one = multiply(set(), dtype, x, w);
    for (const int threads : {2, 3, 8}) {
      set_thread_count(threads);
      EXPECT_EQ(multiply(set(), dtype, x, w), one) << threads;
    }
    set_thread_count(0);
    // A row's result is the same whatever rows stand beside it.
    const auto row_bytes = static_cast<size_t>(600) * size_of(dtype);
    for (const int64_t row : {0, 40, 64}) {
      const Tensor alone = Tensor::view(
          dtype, {1, 600}, x.bytes().subspan(static_cast<size_t>(row) * row_bytes, row_bytes),
          std::make_shared<Tensor>(x));
      const Tensor y = multiply(set(), dtype, alone, w);
      EXPECT_TRUE(
          std::ranges::equal(y.bytes(), one.bytes().subspan(static_cast<size_t>(row) * 400, 400)));
    }
  }
}

TEST_P(Products, AWorkspaceForManyRowsDoesForFewer) {
  const Tensor packed = pack_matrix(random_tensor(DType::f8e4m3, {64, 40}, 2));
  for (const int threads : {1, 2, 16}) {
    set_thread_count(threads);
    const Product product(set(), DType::f8e4m3, view_packed(packed));
    for (int64_t rows = 1; rows < 700; ++rows) {
      ASSERT_LE(product.scratch_bytes(rows), product.scratch_bytes(rows + 1)) << rows;
      ASSERT_LE(product.rows_bytes(rows), product.rows_bytes(rows + 1)) << rows;
    }
  }
  set_thread_count(0);
}

/// A first-level cache has 64 sets of eight or more lines; a slice of a row is 16 lines long.
TEST_P(Products, SlicesOfRowsSpreadOverTheSetsOfACache) {
  for (const int64_t depth : {64, 512, 768, 1024, 1280, 3072, 4096, 4304}) {
    const Tensor packed = pack_matrix(random_tensor(DType::f8e4m3, {depth, 32}, 2));
    const Product product(set(), DType::f8e4m3, view_packed(packed));
    Tensor workspace(DType::u8, {static_cast<int64_t>(product.rows_bytes(32))});
    const PreparedRows rows = product.rows_in(workspace.mutable_bytes(), 32);
    ASSERT_GE(rows.stride, depth * product.kernels().element_bytes);
    std::array<int, 64> lines{};
    for (int64_t row = 0; row < 32; ++row) {
      for (int64_t line = 0; line < 16; ++line) {
        ++lines[static_cast<size_t>((row * rows.stride / 64 + line) % 64)];
      }
    }
    EXPECT_LE(*std::ranges::max_element(lines), 9) << depth;
  }
}

/// BF16 dot instructions flush subnormal numbers; no product of two codes is one.
TEST_P(Products, TheSmallestCodesAreExact) {
  Tensor x(DType::f8e4m3, {256, 1});
  Tensor w(DType::f8e4m3, {1, 2});
  for (size_t code = 0; code < 256; ++code) {
    const bool is_nan = (code & 0x7F) == 0x7F;
    x.mutable_values<uint8_t>()[code] = is_nan ? uint8_t{0} : static_cast<uint8_t>(code);
  }
  w.mutable_values<uint8_t>()[0] = 0x01;  // 2^-9, the smallest
  w.mutable_values<uint8_t>()[1] = 0x7E;  // 448, the largest
  const Tensor y = multiply(set(), DType::f8e4m3, x, w);
  for (int64_t i = 0; i < y.count(); ++i) {
    EXPECT_EQ(y.values<float>()[static_cast<size_t>(i)],
              element_as_f32(x, i / 2) * element_as_f32(w, i % 2))
        << i;
  }
}

TEST_P(Products, NaNStaysInItsRowAndColumn) {
  Tensor x = random_tensor(DType::f8e4m3, {20, 64}, 1);
  Tensor w = random_tensor(DType::f8e4m3, {64, 40}, 2);
  x.mutable_values<uint8_t>()[3 * 64 + 5] = 0x7F;
  w.mutable_values<uint8_t>()[7 * 40 + 35] = 0xFF;
  const Tensor y = multiply(set(), DType::f8e4m3, x, w);
  for (int64_t i = 0; i < y.count(); ++i) {
    const bool expected = i / 40 == 3 || i % 40 == 35;
    ASSERT_EQ(std::isnan(y.values<float>()[static_cast<size_t>(i)]), expected) << i;
  }
}

TEST(ProductTargets, EveryVectorTargetMultiplies) {
  for (const std::string& target : vector_targets()) {
    force_vector_target(target);
    for (const DType w : {DType::f32, DType::f16, DType::bf16, DType::f8e4m3}) {
      const Case c{DType::f16, w, 29, 70, 301};
      const Tensor x = random_tensor(c.x, {c.rows, c.depth}, 1);
      const Tensor weights = random_tensor(c.w, {c.depth, c.columns}, 2);
      SCOPED_TRACE(target);
      expect_close(c, x, weights, multiply(matrix_sets().back(), c.x, x, weights));
    }
  }
  force_vector_target("");
}

/// Tile registers in plain memory, for machines without them: what the instructions are documented
/// to do.
struct EmulatedTiles {
  struct Registers {
    float sums[4][16][16];
    uint16_t values[8][16][32];
    int64_t rows[8];
  };

  /// The kernels name registers by numbers alone, so there is one set of them.
  static Registers& registers() {
    static Registers all;
    return all;
  }
  static void configure(int64_t upper, int64_t lower) {
    const int64_t counts[8] = {upper, upper, lower, lower, upper, lower, 16, 16};
    registers() = {};
    std::ranges::copy(counts, registers().rows);
  }
  static void release() { std::ranges::fill(registers().rows, 0); }
  template <int T>
  static void zero() {
    std::memset(registers().sums[T], 0, sizeof(registers().sums[T]));
  }
  template <int T>
  static void load(const void* from, int64_t stride) {
    Registers& all = registers();
    for (int64_t row = 0; row < all.rows[T]; ++row) {
      void* target = nullptr;
      if constexpr (T < 4) target = all.sums[T][row];
      if constexpr (T >= 4) target = all.values[T][row];
      std::memcpy(target, static_cast<const std::byte*>(from) + row * stride, 64);
    }
  }
  template <int T>
  static void stream(const void* from, int64_t stride) {
    load<T>(from, stride);
  }
  /// How often each line was asked for, into the second-level cache.
  static std::map<const std::byte*, int>& asked() {
    static std::map<const std::byte*, int> lines;
    return lines;
  }
  template <int Level>
  static void ask(const std::byte* line) {
    if constexpr (Level == 2) ++asked()[line];
  }
  template <int T>
  static void store(void* to, int64_t stride) {
    const Registers& all = registers();
    for (int64_t row = 0; row < all.rows[T]; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * stride, all.sums[T][row], 64);
    }
  }
  template <int C, int A, int B>
  static void dot() {
    Registers& all = registers();
    for (int64_t m = 0; m < all.rows[C]; ++m) {
      for (int64_t k = 0; k < 32; ++k) {
        for (int64_t n = 0; n < 16; ++n) {
          all.sums[C][m][n] +=
              bf16_to_f32(all.values[A][m][k]) * bf16_to_f32(all.values[B][k / 2][2 * n + k % 2]);
        }
      }
    }
  }
};

void multiply_emulated(const BlockProduct& block) {
  TileProduct<EmulatedTiles>(block).run();
}

/// The AMX kernels with the tile unit emulated and plain decoding, as a set of their own.
const DotKernels& emulated_amx() {
  static constexpr auto kDecode = [](DType dtype, const std::byte* source, int64_t count,
                                     std::byte* target) {
    for (int64_t i = 0; i < count; ++i) {
      const auto code = static_cast<uint8_t>(source[i]);
      const uint16_t bits = f32_to_bf16(dtype == DType::f8e4m3 ? e4m3_to_f32(code) : 0.0F);
      std::memcpy(target + 2 * i, &bits, sizeof(bits));
    }
  };
  static constexpr auto kDecodePanel = [](DType dtype, const std::byte* packed, int64_t depth,
                                          std::byte* target) {
    const int64_t padded = (depth + 31) / 32 * 32;
    std::memset(target, 0, static_cast<size_t>(padded * 64));
    kDecode(dtype, packed, (depth + 1) / 2 * 64, target);
  };
  static constexpr DotKernels kKernels{.format = "bf16",
                                       .reason = "emulated",
                                       .element_bytes = 2,
                                       .depth_multiple = 32,
                                       .group_panels = 8,
                                       .decode_row = kDecode,
                                       .decode_panel = kDecodePanel,
                                       .multiply = multiply_emulated};
  return kKernels;
}

TEST(AmxTiles, EmulatedProductsAreRight) {
  const MatrixSet set{"emulated", "", [] { return true; }, emulated_amx};
  set_thread_count(1);
  for (const int64_t rows : {1, 15, 16, 17, 31, 32, 33, 64, 257}) {
    for (const auto& [columns, depth] :
         {std::pair{33, 31}, {64, 64}, {40, 600}, {8, 0}, {200, 1024}}) {
      const Case c{DType::f8e4m3, DType::f8e4m3, rows, columns, depth};
      const Tensor x = random_tensor(c.x, {c.rows, c.depth}, 1);
      const Tensor w = random_tensor(c.w, {c.depth, c.columns}, 2);
      expect_close(c, x, w, multiply(set, c.x, x, w));
    }
  }
  set_thread_count(0);
}

/// From the start of what comes next, two lines a step of every pair of tiles but its last; all of
/// it once there are rows enough.
TEST(AmxTiles, CodesAheadAreAskedForOnceAndFromTheStart) {
  constexpr int64_t kDepth = 512;
  constexpr int64_t kPanels = 2;
  for (const auto& [rows, lines] : {std::pair{1, 30}, {16, 30}, {33, 60}, {256, 240}, {257, 270}}) {
    const Tensor a(DType::bf16, {rows, kDepth});
    const Tensor b(DType::bf16, {kPanels, kDepth * kPanelColumns});
    const Tensor ahead(DType::f8e4m3, {kPanels, 2 * kDepth * kPanelColumns});
    Tensor sums(DType::f32, {kPanels, rows, kPanelColumns});
    BlockProduct block;
    block.rows = a.bytes().data();
    block.row_stride = 2 * kDepth;
    block.row_count = rows;
    block.panels = b.bytes().data();
    block.panel_stride = 2 * kDepth * kPanelColumns;
    block.panel_count = kPanels;
    block.depth = kDepth;
    block.sums = sums.mutable_values<float>().data();
    block.sums_stride = rows * kPanelColumns;
    block.ahead = ahead.bytes().data();
    block.ahead_stride = 2 * kDepth * kPanelColumns;
    EmulatedTiles::asked().clear();
    multiply_emulated(block);
    ASSERT_EQ(std::ssize(EmulatedTiles::asked()), kPanels * lines) << rows;
    for (int64_t panel = 0; panel < kPanels; ++panel) {
      for (int64_t line = 0; line < lines; ++line) {
        EXPECT_EQ(EmulatedTiles::asked()[block.ahead + panel * block.ahead_stride + line * 64], 1)
            << rows << " rows, line " << line;
      }
    }
  }
}

}  // namespace
}  // namespace octet::cpu
