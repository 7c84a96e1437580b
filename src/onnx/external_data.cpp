#include "onnx/external_data.h"

#include <charconv>
#include <optional>

#include "base/error.h"
#include "onnx/fields.h"
#include "onnx/model_view.h"
#include "onnx/wire_reader.h"

namespace octet::onnx {
namespace {

struct Place {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

uint64_t parse_size(std::string_view key, std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail_input("its external data has the {} '{}', which is no count of bytes", key, text);
  }
  return value;
}

Place parse_place(const std::vector<std::string_view>& entries) {
  Place place;
  for (const std::string_view bytes : entries) {
    const auto [key, value] = view_entry(bytes);
    check_name(value, "StringStringEntryProto of its external data");
    if (key == "location") {
      place.location = std::string(value);
    } else if (key == "offset") {
      place.offset = parse_size(key, value);
    } else if (key == "length") {
      place.length = parse_size(key, value);
    } else if (key != "checksum" && key != "basepath") {
      fail_input("its external data has the unknown key '{}'", key);
    }
  }
  return place;
}

}  // namespace

const std::shared_ptr<const MappedFile>& ExternalData::file(const std::string& location) {
  auto& entry = files_[location];
  if (!entry) {
    entry = with_context("its external data",
                         [&] { return MappedFile::open_beneath(folder_, location); });
  }
  return entry;
}

ExternalBytes ExternalData::find(const std::vector<std::string_view>& entries, size_t needed) {
  const Place place = parse_place(entries);
  if (place.location.empty()) fail_input("its external data has no location");
  if (place.length.value_or(needed) != needed) {
    fail_input("its external data has {} bytes, its type and shape need {}", *place.length, needed);
  }
  const auto& owner = file(place.location);
  const auto bytes = owner->bytes();
  if (place.offset > bytes.size() || needed > bytes.size() - place.offset) {
    fail_input("its external data is bytes {} to {}+{} of '{}', which has {} only", place.offset,
               place.offset, needed, place.location, bytes.size());
  }
  return {bytes.subspan(place.offset, needed), owner};
}

}  // namespace octet::onnx
