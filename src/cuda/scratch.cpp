#include "cuda/scratch.h"

#include <algorithm>
#include <random>

#include "cuda/stream.h"
#include "tensor/codecs.h"

namespace octet::cuda {
namespace {

constexpr int64_t kPatternBytes = 1 << 20;

Tensor pattern(DType dtype) {
  const auto count = kPatternBytes / static_cast<int64_t>(size_of(dtype));
  Tensor values(DType::f32, {count});
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(0.0F, dtype == DType::f8e4m3 ? 32.0F : 1.0F);
  for (float& value : values.mutable_values<float>()) value = normal(generator);
  return convert(values, dtype);
}

}  // namespace

std::shared_ptr<std::byte> random_device_memory(const Device& device, DType dtype, size_t bytes) {
  const Tensor values = pattern(dtype);
  std::shared_ptr<std::byte> memory = allocate_device(device, bytes);
  CudaStream stream(device);
  for (size_t done = 0; done < bytes; done += values.size_bytes()) {
    stream.upload(memory.get() + done,
                  values.bytes().first(std::min(values.size_bytes(), bytes - done)));
  }
  stream.wait();
  return memory;
}

}  // namespace octet::cuda
