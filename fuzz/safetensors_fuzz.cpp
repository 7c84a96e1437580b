// libFuzzer target of the safetensors reader: any bytes give a bad_input error, or tensors that lie
// inside the bytes and come back the same from the file written of them.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "base/error.h"
#include "checkpoint/safetensors.h"

namespace {

using octet::checkpoint::NamedTensor;
using octet::checkpoint::SafetensorsFile;

void require(bool condition) {
  if (!condition) std::abort();
}

SafetensorsFile parse_copy(std::span<const std::byte> bytes) {
  const auto memory = octet::allocate_aligned(bytes.size());
  if (!bytes.empty()) std::memcpy(memory.get(), bytes.data(), bytes.size());
  return octet::checkpoint::parse_safetensors({memory.get(), bytes.size()}, "fuzz", memory);
}

std::string write(const SafetensorsFile& file) {
  std::vector<NamedTensor> tensors;
  for (const auto& name : file.order) tensors.push_back({name, file.tensors.at(name)});
  octet::checkpoint::SafetensorsOptions options;
  options.metadata = file.metadata;
  options.keep_order = true;
  std::string bytes = octet::checkpoint::safetensors_header(tensors, options);
  for (const auto& [name, tensor] : tensors) {
    bytes.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.size_bytes());
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = parse_copy(std::as_bytes(std::span(data, size)));
    const auto written = write(file);
    const auto back = parse_copy(std::as_bytes(std::span(written)));
    require(back.tensors == file.tensors);
    require(back.metadata == file.metadata);
  } catch (const octet::Error& error) {
    require(error.code() == octet::ErrorCode::bad_input);
  }
  return 0;
}
