#include "runtime/stream.h"

#include <cstring>

#include "tensor/tensor.h"

namespace octet::runtime {

std::shared_ptr<std::byte> HostStream::allocate(size_t bytes) {
  return allocate_aligned(bytes);
}

std::shared_ptr<std::byte> HostStream::allocate_host(size_t bytes) {
  return allocate_aligned(bytes);
}

void HostStream::upload(std::byte* to, std::span<const std::byte> from) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

void HostStream::download(std::span<std::byte> to, const std::byte* from) {
  if (!to.empty()) std::memcpy(to.data(), from, to.size());
}

void HostStream::run(std::span<const int64_t> /*sizes*/, const std::function<void()>& issue) {
  issue();
}

}  // namespace octet::runtime
