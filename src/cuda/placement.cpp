#include "cuda/placement.h"

#include "cuda/stream.h"

namespace octet::cuda {

Tensor to_device(const Device& device, const Tensor& tensor) {
  std::shared_ptr<std::byte> memory = allocate_device(device, tensor.size_bytes());
  CudaStream stream(device);
  stream.upload(memory.get(), tensor.bytes());
  stream.wait();
  const std::span<const std::byte> bytes(memory.get(), tensor.size_bytes());
  return Tensor::view(tensor.dtype(), tensor.shape(), bytes, std::move(memory));
}

}  // namespace octet::cuda
