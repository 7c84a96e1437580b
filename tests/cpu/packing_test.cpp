#include "cpu/packing.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/cpu/random_tensor.h"
#include "tests/expect_error.h"

namespace octet::cpu {
namespace {

/// The element of row k, column n, found from the layout's description alone.
float packed_element(const PackedMatrix& matrix, int64_t k, int64_t n) {
  const bool pairs = matrix.dtype != DType::f32;
  const int64_t column = n % 32;
  const int64_t index = pairs ? (k / 2 * 32 + column) * 2 + k % 2 : k * 32 + column;
  const auto size = static_cast<int64_t>(size_of(matrix.dtype));
  const std::byte* element = matrix.panel(n / 32) + index * size;
  float value = 0.0F;
  convert_to_f32(matrix.dtype, {element, static_cast<size_t>(size)}, {&value, 1});
  return value;
}

void expect_elements(const PackedMatrix& packed, const Tensor& matrix) {
  for (int64_t k = 0; k < packed.depth; ++k) {
    for (int64_t n = 0; n < packed.columns; ++n) {
      ASSERT_EQ(packed_element(packed, k, n), element_as_f32(matrix, k * packed.columns + n));
    }
  }
}

TEST(Packing, PutsEveryElementWhereTheLayoutSays) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::f8e4m3}) {
    for (const auto& [depth, columns] : {std::pair{1, 1}, {7, 33}, {64, 32}, {10, 80}}) {
      const Tensor matrix = random_tensor(dtype, {depth, columns}, 1);
      const Tensor packed = pack_matrix(matrix);
      const PackedMatrix view = view_packed(packed);
      ASSERT_EQ(view.depth, depth);
      ASSERT_EQ(view.columns, columns);
      EXPECT_EQ(view.dtype, dtype);
      expect_elements(view, matrix);
    }
  }
}

TEST(Packing, FillsPaddingWithZeros) {
  const Tensor packed = pack_matrix(random_tensor(DType::f8e4m3, {5, 33}, 1));
  const PackedMatrix view = view_packed(packed);
  for (int64_t k = 0; k < 6; ++k) {
    for (int64_t n = 0; n < 64; ++n) {
      if (k < 5 && n < 33) continue;
      ASSERT_EQ(packed_element(view, k, n), 0.0F) << k << " " << n;
    }
  }
}

TEST(Packing, PanelsAreAligned) {
  for (const DType dtype : {DType::f32, DType::f16, DType::f8e4m3}) {
    const Tensor packed = pack_matrix(random_tensor(dtype, {7, 70}, 1));
    const PackedMatrix view = view_packed(packed);
    for (int64_t panel = 0; panel < view.panel_count(); ++panel) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(view.panel(panel)) % 64, 0U);
    }
  }
}

TEST(Packing, RefusesBytesOfAnotherVersionOrSize) {
  const Tensor packed = pack_matrix(random_tensor(DType::f32, {4, 4}, 1));
  Tensor newer = packed.clone();
  newer.mutable_bytes()[8] = std::byte{2};
  test::expect_error(ErrorCode::bad_input, {"version 1"}, [&] { view_packed(newer); });
  Tensor larger = packed.clone();
  larger.mutable_bytes()[16] = std::byte{5};
  test::expect_error(ErrorCode::bad_input, {"size"}, [&] { view_packed(larger); });
  test::expect_error(ErrorCode::bad_input, {"short"}, [] { view_packed(Tensor(DType::u8, {10})); });
}

}  // namespace
}  // namespace octet::cpu
