#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "tests/expect_error.h"

namespace octet {
namespace {

using test::expect_error;

TEST(ElementCount, IsTheProduct) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count({2, 3, 4}), 24);
  EXPECT_EQ(element_count({2, 0, 4}), 0);
}

TEST(ElementCount, RefusesWhatIsNoShape) {
  expect_error(ErrorCode::bad_input, {"[2, -1]", "negative"}, [] { element_count({2, -1}); });
  expect_error(ErrorCode::bad_input, {"too many elements"}, [] {
    element_count({INT64_MAX, INT64_MAX});
  });
  expect_error(ErrorCode::bad_input, {"too many bytes"}, [] {
    Tensor(DType::f64, {INT64_MAX / 2, 2});
  });
}

TEST(ShapeText, ListsTheExtents) {
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(to_string(Shape{2, 3}), "[2, 3]");
}

TEST(Tensor, OwnsZeroedAlignedBytes) {
  const Tensor tensor(DType::f16, {3, 5});
  EXPECT_EQ(tensor.count(), 15);
  EXPECT_EQ(tensor.rank(), 2U);
  EXPECT_EQ(tensor.extent(1), 5);
  EXPECT_EQ(tensor.size_bytes(), 30U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes().data()) % 64, 0U);
  for (const uint16_t value : tensor.values<uint16_t>()) EXPECT_EQ(value, 0);
}

TEST(Tensor, DefaultIsEmpty) {
  const Tensor tensor;
  EXPECT_EQ(tensor.count(), 0);
  EXPECT_TRUE(tensor.bytes().empty());
}

TEST(Tensor, ScalarHasOneElement) {
  const Tensor tensor = Tensor::scalar(2.5F);
  EXPECT_EQ(tensor.rank(), 0U);
  EXPECT_EQ(tensor.count(), 1);
  EXPECT_EQ(tensor.values<float>()[0], 2.5F);
}

TEST(Tensor, ViewKeepsItsOwnerAlive) {
  auto owner = std::make_shared<std::vector<std::byte>>(8, std::byte{7});
  const std::weak_ptr<const void> watch = owner;
  auto view = Tensor::view(DType::u8, {8}, *owner, owner);
  owner.reset();
  EXPECT_EQ(view.values<uint8_t>()[7], 7);
  EXPECT_FALSE(watch.expired());
  view = Tensor();
  EXPECT_TRUE(watch.expired());
}

TEST(Tensor, ViewNeedsTheRightSize) {
  const std::vector<std::byte> bytes(7);
  EXPECT_THROW(Tensor::view(DType::f32, {2}, bytes, nullptr), std::logic_error);
}

TEST(Tensor, CopiesShareAndClonesDoNot) {
  Tensor tensor = Tensor::scalar(1.0F);
  const Tensor copy = tensor;  // NOLINT(performance-unnecessary-copy-initialization)
  const Tensor clone = tensor.clone();
  tensor.mutable_values<float>()[0] = 2;
  EXPECT_EQ(copy.values<float>()[0], 2);
  EXPECT_EQ(clone.values<float>()[0], 1);
}

TEST(Tensor, ReshapedSharesTheBytes) {
  const Tensor tensor(DType::i32, {2, 6});
  const Tensor flat = tensor.reshaped({12});
  EXPECT_EQ(flat.bytes().data(), tensor.bytes().data());
  EXPECT_EQ(flat.shape(), (Shape{12}));
  EXPECT_THROW(static_cast<void>(tensor.reshaped({13})), std::logic_error);
}

TEST(Tensor, TypedAccessChecksTheElementSize) {
  const Tensor tensor(DType::f16, {2});
  EXPECT_THROW(static_cast<void>(tensor.values<float>()), std::logic_error);
}

TEST(Tensor, FromNeedsAsManyValues) {
  const std::vector<float> values{1, 2, 3};
  EXPECT_THROW(Tensor::from<float>({2}, values), std::logic_error);
}

TEST(Tensor, EqualityIsOfTypeShapeAndBytes) {
  const std::vector<float> values{1, 2, 3, 4};
  const Tensor tensor = Tensor::from<float>({2, 2}, values);
  EXPECT_EQ(tensor, tensor.clone());
  EXPECT_FALSE(tensor == tensor.reshaped({4}));
  EXPECT_FALSE(tensor == Tensor(DType::f32, {2, 2}));
  EXPECT_FALSE(Tensor(DType::f32, {2}) == Tensor(DType::i32, {2}));
  EXPECT_EQ(Tensor(DType::f32, {0}), Tensor(DType::f32, {0}));
}

TEST(DType, NamesAndSizes) {
  EXPECT_EQ(size_of(DType::f8e4m3), 1U);
  EXPECT_EQ(size_of(DType::bf16), 2U);
  EXPECT_EQ(size_of(DType::u64), 8U);
  EXPECT_TRUE(is_float(DType::f8e5m2));
  EXPECT_FALSE(is_float(DType::boolean));
  for (int code = 0; code <= static_cast<int>(DType::boolean); ++code) {
    const auto dtype = static_cast<DType>(code);
    EXPECT_EQ(dtype_from_name(name_of(dtype)), dtype);
  }
  expect_error(ErrorCode::bad_input, {"'f4'"}, [] { dtype_from_name("f4"); });
}

}  // namespace
}  // namespace octet
