#include "cpu/packing.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/threads.h"

namespace octet::cpu {
namespace {

constexpr std::array<char, 8> kMagic{'o', 'c', 't', 'p', 'a', 'n', 'e', 'l'};

struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t version = kPackingVersion;
  uint32_t dtype = 0;
  int64_t depth = 0;
  int64_t columns = 0;
  std::array<uint8_t, 32> unused{};
};
static_assert(sizeof(Header) == 64);

/// Elements that stand together along K.
int64_t partners_of(DType dtype) {
  return dtype == DType::f32 ? 1 : 2;
}

template <typename T>
void pack_panel(const Tensor& matrix, int64_t first_column, T* panel) {
  const int64_t depth = matrix.extent(0);
  const int64_t columns = matrix.extent(1);
  const int64_t width = std::min(kPanelColumns, columns - first_column);
  const int64_t partners = partners_of(matrix.dtype());
  const auto* source = reinterpret_cast<const T*>(matrix.bytes().data()) + first_column;
  for (int64_t row = 0; row < depth; ++row) {
    T* target = panel + row / partners * partners * kPanelColumns + row % partners;
    for (int64_t column = 0; column < width; ++column) {
      target[column * partners] = source[row * columns + column];
    }
  }
}

template <typename T>
void pack_panels(const Tensor& matrix, const PackedMatrix& shape, std::byte* panels) {
  const int64_t elements = shape.slice_bytes(shape.depth) / static_cast<int64_t>(sizeof(T));
  parallel_for(shape.panel_count(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      pack_panel(matrix, index * kPanelColumns, reinterpret_cast<T*>(panels) + index * elements);
    }
  });
}

size_t packed_bytes(const PackedMatrix& shape) {
  return static_cast<size_t>(shape.panel_count() * shape.slice_bytes(shape.depth));
}

}  // namespace

Tensor pack_matrix(const Tensor& matrix) {
  check(matrix.rank() == 2, "a matrix to pack has rank {}", matrix.rank());
  const PackedMatrix shape{matrix.dtype(), matrix.extent(0), matrix.extent(1), nullptr};
  const size_t size = sizeof(Header) + packed_bytes(shape);
  Tensor packed(DType::u8, {static_cast<int64_t>(size)});
  std::byte* target = packed.mutable_bytes().data();
  Header header;
  header.dtype = static_cast<uint32_t>(matrix.dtype());
  header.depth = shape.depth;
  header.columns = shape.columns;
  std::memcpy(target, &header, sizeof(header));
  target += sizeof(header);
  switch (matrix.dtype()) {
    case DType::f32:
      pack_panels<float>(matrix, shape, target);
      break;
    case DType::f16:
    case DType::bf16:
      pack_panels<uint16_t>(matrix, shape, target);
      break;
    case DType::f8e4m3:
      pack_panels<uint8_t>(matrix, shape, target);
      break;
    default:
      check(false, "a matrix of {} cannot be packed", name_of(matrix.dtype()));
  }
  return packed;
}

PackedMatrix view_packed(const Tensor& packed) {
  Header header;
  if (packed.size_bytes() < sizeof(header)) fail_input("packed weights are cut short");
  std::memcpy(&header, packed.bytes().data(), sizeof(header));
  if (header.magic != kMagic || header.version != kPackingVersion) {
    fail_input("weights are not packed in version {} of the layout; build the plan again",
               kPackingVersion);
  }
  check(reinterpret_cast<uintptr_t>(packed.bytes().data()) % 64 == 0,
        "packed weights do not stand at a multiple of 64 bytes");
  const PackedMatrix matrix{static_cast<DType>(header.dtype), header.depth, header.columns,
                            packed.bytes().data() + sizeof(header)};
  const bool known = matrix.dtype == DType::f32 || matrix.dtype == DType::f16 ||
                     matrix.dtype == DType::bf16 || matrix.dtype == DType::f8e4m3;
  if (!known || matrix.depth < 0 || matrix.columns < 0 ||
      packed.size_bytes() != sizeof(header) + packed_bytes(matrix)) {
    fail_input("packed weights do not have the size that their header says");
  }
  return matrix;
}

}  // namespace octet::cpu
