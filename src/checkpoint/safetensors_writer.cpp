#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_dtype.h"

namespace octet::checkpoint {
namespace {

std::vector<TensorInfo> describe(std::span<const NamedTensor> tensors) {
  std::vector<TensorInfo> infos;
  for (const auto& [name, tensor] : tensors) {
    infos.push_back({name, tensor.dtype(), tensor.shape()});
  }
  return infos;
}

/// Positions in `tensors` in the order of the file.
std::vector<size_t> file_order(std::span<const TensorInfo> tensors,
                               const SafetensorsOptions& options) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (options.keep_order) return order;
  std::ranges::sort(order, [&](size_t a, size_t b) {
    const int rank_a = safetensors_rank(tensors[a].dtype);
    const int rank_b = safetensors_rank(tensors[b].dtype);
    return std::tie(rank_b, tensors[a].name) < std::tie(rank_a, tensors[b].name);
  });
  return order;
}

size_t size_in_bytes(const TensorInfo& info) {
  return static_cast<size_t>(element_count(info.shape)) * size_of(info.dtype);
}

void check_names(std::span<const TensorInfo> tensors) {
  std::set<std::string_view> names{"__metadata__"};
  for (const TensorInfo& info : tensors) {
    check(names.insert(info.name).second, "tensor name '{}' cannot be used twice", info.name);
  }
}

std::string header_text(std::span<const TensorInfo> tensors, std::span<const size_t> order,
                        const SafetensorsOptions& options) {
  check_names(tensors);
  std::string text = "{";
  if (!options.metadata.empty()) {
    text += fmt::format("\"__metadata__\":{},", Json(options.metadata).dump());
  }
  size_t at = 0;
  for (const size_t position : order) {
    const TensorInfo& info = tensors[position];
    const size_t end = at + size_in_bytes(info);
    text += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}},",
                        Json(info.name).dump(), safetensors_name(info.dtype),
                        fmt::join(info.shape, ","), at, end);
    at = end;
  }
  if (text.back() == ',') text.pop_back();
  return text + "}";
}

std::string header_bytes(std::span<const TensorInfo> tensors, std::span<const size_t> order,
                         const SafetensorsOptions& options) {
  std::string text = header_text(tensors, order, options);
  constexpr size_t kLengthField = sizeof(uint64_t);
  const size_t unpadded = kLengthField + text.size();
  const size_t alignment = options.header_alignment;
  text.append((alignment - unpadded % alignment) % alignment, ' ');
  std::string header;
  for (size_t i = 0; i < kLengthField; ++i) {
    header.push_back(static_cast<char>(text.size() >> (8 * i)));
  }
  return header + text;
}

}  // namespace

std::string safetensors_header(std::span<const TensorInfo> tensors,
                               const SafetensorsOptions& options) {
  return header_bytes(tensors, file_order(tensors, options), options);
}

std::string safetensors_header(std::span<const NamedTensor> tensors,
                               const SafetensorsOptions& options) {
  return safetensors_header(describe(tensors), options);
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const SafetensorsOptions& options) {
  const auto infos = describe(tensors);
  const auto order = file_order(infos, options);
  AtomicFile file(path);
  file.write(header_bytes(infos, order, options));
  for (const size_t position : order) file.write(tensors[position].tensor.bytes());
  file.commit();
}

AtomicFile stage_safetensors(const std::filesystem::path& path, std::span<const TensorInfo> tensors,
                             const TensorSource& source, const SafetensorsOptions& options) {
  const auto order = file_order(tensors, options);
  AtomicFile file(path);
  file.write(header_bytes(tensors, order, options));
  for (const size_t position : order) {
    const TensorInfo& info = tensors[position];
    const Tensor tensor = source(info);
    check(tensor.dtype() == info.dtype && tensor.shape() == info.shape,
          "tensor '{}' is {} {}, announced as {} {}", info.name, name_of(tensor.dtype()),
          to_string(tensor.shape()), name_of(info.dtype), to_string(info.shape));
    file.write(tensor.bytes());
  }
  return file;
}

}  // namespace octet::checkpoint
