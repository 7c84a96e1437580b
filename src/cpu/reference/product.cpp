#include "cpu/reference/product.h"

namespace octet::cpu::reference {
namespace {

/// Columns whose sums stay in the cache.
constexpr int64_t kColumnBlock = 512;

/// y += factor * b, both `count` long.
void add_scaled(float factor, const float* __restrict b, float* __restrict y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] += factor * b[i];
}

}  // namespace

void multiply_rows(const ProductShape& shape, const float* a, const float* b, float* y,
                   int64_t begin, int64_t end) {
  std::fill(y + begin * shape.n, y + end * shape.n, 0.0F);
  for (int64_t column = 0; column < shape.n; column += kColumnBlock) {
    const int64_t columns = std::min(kColumnBlock, shape.n - column);
    for (int64_t k = 0; k < shape.k; ++k) {
      for (int64_t row = begin; row < end; ++row) {
        add_scaled(a[row * shape.k + k], b + k * shape.n + column, y + row * shape.n + column,
                   columns);
      }
    }
  }
}

void multiply(const ProductShape& shape, const float* a, const float* b, float* y) {
  const int64_t blocks = (shape.m + kRowBlock - 1) / kRowBlock;
  for_each_row(blocks, kRowBlock * shape.k * shape.n, [&](int64_t block) {
    const int64_t begin = block * kRowBlock;
    multiply_rows(shape, a, b, y, begin, std::min(shape.m, begin + kRowBlock));
  });
}

void gather_patches(const Operand& images, int64_t index, const PatchGrid& grid,
                    std::span<float> target) {
  const int64_t channels = images.extent(1);
  const int64_t height = images.extent(2);
  const int64_t width = images.extent(3);
  const int64_t size = channels * grid.kernel[0] * grid.kernel[1];
  for_each_row(grid.count(), size, [&](int64_t patch) {
    const int64_t top = patch / grid.extent[1] * grid.stride[0] - grid.pad_before[0];
    const int64_t left = patch % grid.extent[1] * grid.stride[1] - grid.pad_before[1];
    for (int64_t i = 0; i < size; ++i) {
      const int64_t channel = i / (grid.kernel[0] * grid.kernel[1]);
      const int64_t y = top + i / grid.kernel[1] % grid.kernel[0];
      const int64_t x = left + i % grid.kernel[1];
      const bool inside = y >= 0 && y < height && x >= 0 && x < width;
      const std::span<float> element = target.subspan(static_cast<size_t>(patch * size + i), 1);
      if (inside) {
        load_row(images, ((index * channels + channel) * height + y) * width + x, element);
      } else {
        element[0] = 0.0F;
      }
    }
  });
}

}  // namespace octet::cpu::reference
