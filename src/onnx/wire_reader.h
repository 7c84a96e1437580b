#pragma once

#include <cstddef>
#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace octet::onnx {

/// Reads the fields of one protobuf message that nobody vouches for: wire types and lengths are
/// checked before use, and every flaw throws `Error(bad_input)` naming the message. The bytes must
/// outlive the reader and every view it hands out.
class WireReader {
 public:
  /// `kind` names the message in errors ("NodeProto"); a literal.
  WireReader(std::string_view bytes, const char* kind)
      : reader_(bytes.data(), bytes.size()), kind_(kind) {}

  /// Moves to the next field; false at the end of the message.
  bool next();
  [[nodiscard]] uint32_t field() const { return reader_.tag(); }
  void skip();

  /// The value of the current field; each moves past it.
  int64_t integer();
  float number();
  double wide_number();
  std::string_view bytes();
  /// A name: valid UTF-8 without control characters, of bounded length.
  std::string_view name();

  /// Calls `take(value)` with each element of a repeated scalar, packed or not.
  template <typename Take>
  void each_integer(Take&& take);
  template <typename Take>
  void each_float(Take&& take);
  template <typename Take>
  void each_double(Take&& take);

 private:
  template <typename Read>
  auto guarded(Read read);
  void expect(protozero::pbf_wire_type type) const;
  void check_length() const;
  [[nodiscard]] bool is_packed() const {
    return reader_.has_wire_type(protozero::pbf_wire_type::length_delimited);
  }

  protozero::pbf_reader reader_;
  const char* kind_;
};

/// Throws `Error(bad_input)` unless `text` is valid UTF-8. `what` names it in the message.
void check_utf8(std::string_view text, std::string_view what);

/// Throws `Error(bad_input)` unless `text` is what a name may be (see WireReader::name).
void check_name(std::string_view text, std::string_view where);

/// Throws `Error(bad_input)` when there are `limit` of them already. `what` in the plural.
inline void check_below(size_t count, size_t limit, std::string_view what) {
  if (count >= limit) fail_input("it holds more than {} {}", limit, what);
}

template <typename Read>
auto WireReader::guarded(Read read) {
  try {
    return read();
  } catch (const protozero::exception& error) {
    fail_input("the protobuf data is damaged in a {} ({})", kind_, error.what());
  }
}

template <typename Take>
void WireReader::each_integer(Take&& take) {
  if (!is_packed()) return take(integer());
  check_length();
  guarded([&] {
    for (const int64_t value : reader_.get_packed_int64()) take(value);
  });
}

template <typename Take>
void WireReader::each_float(Take&& take) {
  if (!is_packed()) return take(number());
  check_length();
  guarded([&] {
    for (const float value : reader_.get_packed_float()) take(value);
  });
}

template <typename Take>
void WireReader::each_double(Take&& take) {
  if (!is_packed()) return take(wide_number());
  check_length();
  guarded([&] {
    for (const double value : reader_.get_packed_double()) take(value);
  });
}

}  // namespace octet::onnx
