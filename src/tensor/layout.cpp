#include "tensor/layout.h"

#include <cstring>

#include "base/error.h"
#include "base/threads.h"

namespace octet {
namespace {

/// `count` words, each `stride` words behind the last, side by side.
template <typename Word>
void gather(const Word* from, int64_t stride, int64_t count, Word* to) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(to + i, from + i * stride, sizeof(Word));
}

template <typename Word>
void transpose(const Tensor& source, Tensor& target) {
  constexpr int64_t kBlock = 64;  // a block of both sides stays in the first-level cache
  const int64_t rows = source.extent(0);
  const int64_t columns = source.extent(1);
  const auto* from = reinterpret_cast<const Word*>(source.bytes().data());
  auto* to = reinterpret_cast<Word*>(target.mutable_bytes().data());
  parallel_for(columns, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t row_block = 0; row_block < rows; row_block += kBlock) {
      const int64_t count = std::min(kBlock, rows - row_block);
      for (int64_t column = begin; column < end; ++column) {
        gather(from + row_block * columns + column, columns, count, to + column * rows + row_block);
      }
    }
  });
}

/// Is any exponent field all ones (infinity or NaN)?
template <typename Word>
bool finite_words(const Tensor& tensor, Word exponent) {
  const std::byte* bytes = tensor.bytes().data();
  Word worst = 0;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    Word word{};
    std::memcpy(&word, bytes + static_cast<size_t>(i) * sizeof(Word), sizeof(Word));
    worst = std::max<Word>(worst, word & exponent);
  }
  return worst < exponent;
}

bool finite_e4m3(const Tensor& tensor) {
  return std::ranges::none_of(tensor.values<uint8_t>(),
                              [](uint8_t code) { return (code & 0x7F) == 0x7F; });
}

}  // namespace

Tensor transpose_2d(const Tensor& tensor) {
  check(tensor.rank() == 2, "transposing shape {}", to_string(tensor.shape()));
  Tensor result(tensor.dtype(), {tensor.extent(1), tensor.extent(0)});
  switch (size_of(tensor.dtype())) {
    case 1:
      transpose<uint8_t>(tensor, result);
      break;
    case 2:
      transpose<uint16_t>(tensor, result);
      break;
    case 4:
      transpose<uint32_t>(tensor, result);
      break;
    default:
      transpose<uint64_t>(tensor, result);
      break;
  }
  return result;
}

bool all_finite(const Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::f32:
      return finite_words<uint32_t>(tensor, 0x7F800000U);
    case DType::f16:
      return finite_words<uint16_t>(tensor, 0x7C00U);
    case DType::bf16:
      return finite_words<uint16_t>(tensor, 0x7F80U);
    case DType::f64:
      return finite_words<uint64_t>(tensor, 0x7FF0000000000000U);
    case DType::f8e4m3:
      return finite_e4m3(tensor);
    default:
      return true;
  }
}

}  // namespace octet
