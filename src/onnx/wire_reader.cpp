#include "onnx/wire_reader.h"

#include <algorithm>

#include "onnx/fields.h"

namespace octet::onnx {

using protozero::pbf_wire_type;

bool WireReader::next() {
  return guarded([&] { return reader_.next(); });
}

void WireReader::skip() {
  if (is_packed()) check_length();
  guarded([&] { reader_.skip(); });
}

int64_t WireReader::integer() {
  expect(pbf_wire_type::varint);
  return guarded([&] { return reader_.get_int64(); });
}

float WireReader::number() {
  expect(pbf_wire_type::fixed32);
  return guarded([&] { return reader_.get_float(); });
}

double WireReader::wide_number() {
  expect(pbf_wire_type::fixed64);
  return guarded([&] { return reader_.get_double(); });
}

std::string_view WireReader::bytes() {
  expect(pbf_wire_type::length_delimited);
  check_length();
  const auto view = guarded([&] { return reader_.get_view(); });
  return {view.data(), view.size()};
}

std::string_view WireReader::name() {
  const std::string_view text = bytes();
  check_name(text, kind_);
  return text;
}

void WireReader::expect(pbf_wire_type type) const {
  if (reader_.has_wire_type(type)) return;
  fail_input("the protobuf data is damaged in a {} (field {} has wire type {} instead of {})",
             kind_, reader_.tag(), static_cast<int>(reader_.wire_type()), static_cast<int>(type));
}

/// protozero cuts lengths to 32 bits; here a length that long is an error like any other that
/// leads past the end.
void WireReader::check_length() const {
  const auto rest = reader_.data();
  const char* position = rest.data();
  const char* end = rest.data() + rest.size();
  uint64_t length = 0;
  try {
    length = protozero::decode_varint(&position, end);
  } catch (const protozero::exception& error) {
    fail_input("the protobuf data is damaged in a {} ({})", kind_, error.what());
  }
  if (length > static_cast<uint64_t>(end - position)) {
    fail_input("the protobuf data is damaged in a {} (field {} of {} bytes where {} are left)",
               kind_, reader_.tag(), length, end - position);
  }
}

namespace {

/// Length of the UTF-8 sequence that starts with `lead`, 0 when none can.
size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

/// Overlong forms, surrogates and code points beyond U+10FFFF show in the second byte.
bool second_byte_fits(unsigned char lead, unsigned char second) {
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  return second >= low && second <= high;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text.front());
    const size_t length = sequence_length(lead);
    if (length == 0 || length > text.size()) return false;
    if (length > 1 && !second_byte_fits(lead, static_cast<unsigned char>(text[1]))) return false;
    const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
    if (!std::ranges::all_of(text.substr(1, length - 1), continues)) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

void check_utf8(std::string_view text, std::string_view what) {
  if (!is_utf8(text)) fail_input("{} is not valid UTF-8", what);
}

void check_name(std::string_view text, std::string_view where) {
  if (text.size() > limit::kNameBytes) {
    fail_input("a {} holds a name of {} bytes, more than the {} a name may have", where,
               text.size(), limit::kNameBytes);
  }
  check_utf8(text, "a name");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::ranges::any_of(text, is_control)) {
    fail_input("a {} holds a name with a control character", where);
  }
}

}  // namespace octet::onnx
