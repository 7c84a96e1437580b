#include <algorithm>
#include <tuple>
#include <utility>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_dtype.h"

namespace octet::checkpoint {
namespace {

constexpr size_t kLengthField = sizeof(uint64_t);
constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxTensors = 1'000'000;
constexpr size_t kMaxName = 4096;
constexpr std::string_view kMetadata = "__metadata__";

struct Entry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  uint64_t begin = 0;  ///< in the data, which begins after the header
  uint64_t end = 0;
};

uint64_t read_length(std::span<const std::byte> bytes) {
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthField; ++i) {
    length |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  }
  return length;
}

/// Length field and JSON.
std::span<const std::byte> find_header(std::span<const std::byte> bytes, std::string_view where) {
  if (bytes.size() < kLengthField) {
    fail_input("{}: {} bytes are too few for a safetensors file; it is cut short or another format",
               where, bytes.size());
  }
  const uint64_t length = read_length(bytes);
  if (length > kMaxHeader) {
    fail_input("{}: header of {} bytes, at most {} are allowed; this is no safetensors file", where,
               length, kMaxHeader);
  }
  if (length > bytes.size() - kLengthField) {
    fail_input("{}: header of {} bytes in a file of {}; the file is cut short", where, length,
               bytes.size());
  }
  return bytes.first(kLengthField + length);
}

Json parse_header(std::span<const std::byte> header, std::string_view where) {
  const auto json = header.subspan(kLengthField);
  const std::string_view text(reinterpret_cast<const char*>(json.data()), json.size());
  if (!text.starts_with('{')) fail_input("{}: the header does not begin with '{{'", where);
  Json parsed = parse_json(text, where);
  if (parsed.size() > kMaxTensors) {
    fail_input("{}: {} tensors, at most {} are read", where, parsed.size(), kMaxTensors);
  }
  return parsed;
}

std::map<std::string, std::string, std::less<>> parse_metadata(const Json& object,
                                                               std::string_view where) {
  if (!object.is_object()) fail_input("{}: '{}' is no object", where, kMetadata);
  std::map<std::string, std::string, std::less<>> metadata;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) fail_input("{}: '{}.{}' is no string", where, kMetadata, key);
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

const Json& member(const Json& info, const char* key, const std::string& context) {
  const auto found = info.find(key);
  if (found == info.end()) fail_input("{}: '{}' is missing", context, key);
  return *found;
}

std::vector<uint64_t> parse_numbers(const Json& info, const char* key, const std::string& context) {
  const Json& array = member(info, key, context);
  const bool valid = array.is_array() && std::ranges::all_of(array, &Json::is_number_unsigned);
  if (!valid) fail_input("{}: '{}' must be a list of integers from 0", context, key);
  return array.get<std::vector<uint64_t>>();
}

DType parse_dtype(const Json& info, const std::string& context) {
  const Json& name = member(info, "dtype", context);
  if (!name.is_string()) fail_input("{}: 'dtype' is no string", context);
  const auto dtype = dtype_of_safetensors(name.get<std::string>());
  if (!dtype) {
    fail_input("{}: element type '{}' is not supported; convert the tensor to F32, F16 or BF16",
               context, name.get<std::string>());
  }
  return *dtype;
}

Shape parse_shape(const Json& info, const std::string& context) {
  Shape shape;
  for (const uint64_t extent : parse_numbers(info, "shape", context)) {
    if (!std::in_range<int64_t>(extent)) fail_input("{}: extent {} overflows", context, extent);
    shape.push_back(static_cast<int64_t>(extent));
  }
  return shape;
}

Entry parse_entry(const std::string& name, const Json& info, std::string_view where) {
  if (name.find('\0') != std::string::npos) fail_input("{}: NUL in a tensor's name", where);
  const std::string context = fmt::format("{}: tensor '{}'", where, name.substr(0, kMaxName));
  if (name.size() > kMaxName) fail_input("{}: name of {} bytes", context, name.size());
  if (!info.is_object()) fail_input("{}: its description is no object", context);
  const auto offsets = parse_numbers(info, "data_offsets", context);
  if (offsets.size() != 2) fail_input("{}: 'data_offsets' must be two numbers", context);
  return {name, parse_dtype(info, context), parse_shape(info, context), offsets[0], offsets[1]};
}

uint64_t size_in_bytes(const Entry& entry, std::string_view where) {
  const std::string context = fmt::format("{}: tensor '{}'", where, entry.name);
  const int64_t count = with_context(context, [&] { return element_count(entry.shape); });
  uint64_t size = 0;
  if (__builtin_mul_overflow(static_cast<uint64_t>(count), size_of(entry.dtype), &size)) {
    fail_input("{}: shape {} has too many bytes", context, to_string(entry.shape));
  }
  return size;
}

/// The tensors must lie one behind the other and fill the data exactly: no holes, no overlap, no
/// bytes that belong to no tensor.
void check_layout(std::span<const Entry> entries, uint64_t data_size, std::string_view where) {
  uint64_t at = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != at || entry.end < entry.begin) {
      fail_input("{}: tensor '{}' lies at [{}, {}), but byte {} comes next; the file is broken",
                 where, entry.name, entry.begin, entry.end, at);
    }
    const uint64_t size = size_in_bytes(entry, where);
    if (size != entry.end - entry.begin) {
      fail_input("{}: tensor '{}' {} {} needs {} bytes, but has {}", where, entry.name,
                 name_of(entry.dtype), to_string(entry.shape), size, entry.end - entry.begin);
    }
    at = entry.end;
  }
  if (at != data_size) {
    fail_input("{}: the tensors have {} bytes, the file holds {}; it is {}", where, at, data_size,
               at > data_size ? "cut short" : "followed by something else");
  }
}

Tensor make_tensor(const Entry& entry, std::span<const std::byte> data,
                   std::shared_ptr<const void> owner) {
  const auto bytes = data.subspan(entry.begin, entry.end - entry.begin);
  Tensor tensor = Tensor::view(entry.dtype, entry.shape, bytes, std::move(owner));
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  return address % size_of(entry.dtype) == 0 ? tensor : tensor.clone();
}

}  // namespace

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view where,
                                  std::shared_ptr<const void> owner) {
  SafetensorsFile file;
  file.header = find_header(bytes, where);
  file.owner = std::move(owner);
  std::vector<Entry> entries;
  const Json header = parse_header(file.header, where);
  for (const auto& [name, info] : header.items()) {
    if (name == kMetadata) {
      file.metadata = parse_metadata(info, where);
    } else {
      entries.push_back(parse_entry(name, info, where));
    }
  }
  std::ranges::stable_sort(entries, {}, [](const Entry& e) { return std::tie(e.begin, e.end); });
  const auto data = bytes.subspan(file.header.size());
  check_layout(entries, data.size(), where);
  for (const Entry& entry : entries) {
    file.order.push_back(entry.name);
    file.tensors.emplace(entry.name, make_tensor(entry, data, file.owner));
  }
  return file;
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return parse_safetensors(bytes, path.string(), std::move(file));
}

}  // namespace octet::checkpoint
