#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace octet::onnx {

// An ONNX file taken apart into views of its bytes: nothing is copied, nothing refers to anything
// yet. Nested messages stay encoded until they are asked for.

struct ModelView {
  int64_t ir_version = 0;
  std::string_view producer_name;
  std::string_view producer_version;
  std::string_view graph;
  std::map<std::string_view, int64_t> opsets;  ///< version by domain; "" is ONNX's own
  std::map<std::string, std::string> metadata;
  std::set<std::pair<std::string_view, std::string_view>> functions;  ///< domain and name
};

/// Throws `Error(bad_input)` for damaged or oversized messages.
ModelView view_model(std::string_view bytes);

/// The key and value of a StringStringEntryProto.
std::pair<std::string_view, std::string_view> view_entry(std::string_view bytes);

/// ONNX's two names of its own domain are one: "".
std::string_view canonical_domain(std::string_view domain);

}  // namespace octet::onnx
