#include "onnx/attribute_reader.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "base/error.h"
#include "onnx/fields.h"
#include "onnx/wire_reader.h"

namespace octet::onnx {
namespace {

using attribute::Type;

/// Every field an attribute may use; `type` says which one counts.
struct AttributeView {
  std::string_view name;
  Type type = Type::undefined;
  float real = 0;
  int64_t integer = 0;
  std::string_view text;
  std::string_view tensor;
  std::vector<float> reals;
  std::vector<int64_t> integers;
  bool is_reference = false;
};

AttributeView view_attribute(std::string_view bytes) {
  WireReader reader(bytes, "AttributeProto");
  AttributeView view;
  while (reader.next()) {
    switch (reader.field()) {
      case attribute::kName:
        view.name = reader.name();
        break;
      case attribute::kFloat:
        view.real = reader.number();
        break;
      case attribute::kInt:
        view.integer = reader.integer();
        break;
      case attribute::kString:
        view.text = reader.bytes();
        break;
      case attribute::kTensor:
        view.tensor = reader.bytes();
        break;
      case attribute::kFloats:
        reader.each_float([&view](float value) { view.reals.push_back(value); });
        break;
      case attribute::kInts:
        reader.each_integer([&view](int64_t value) { view.integers.push_back(value); });
        break;
      case attribute::kType:
        view.type = static_cast<Type>(reader.integer());
        break;
      case attribute::kReference:
        view.is_reference = !reader.name().empty();
        break;
      default:
        reader.skip();
    }
  }
  return view;
}

std::string checked_text(const AttributeView& view) {
  check_utf8(view.text, fmt::format("attribute '{}'", view.name));
  return std::string(view.text);
}

Attribute to_attribute(AttributeView view, TensorReader& tensors) {
  switch (view.type) {
    case Type::real:
      return view.real;
    case Type::integer:
      return view.integer;
    case Type::string:
      return checked_text(view);
    case Type::reals:
      return std::move(view.reals);
    case Type::integers:
      return std::move(view.integers);
    case Type::tensor:
      return with_context(fmt::format("attribute '{}'", view.name),
                          [&] { return tensors.read(view.tensor); });
    case Type::graph:
    case Type::graphs:
      fail_input(
          "attribute '{}' is a subgraph, which is not supported; export without control flow",
          view.name);
    default:
      fail_input("attribute '{}' is of kind {}, which is not supported", view.name,
                 static_cast<int32_t>(view.type));
  }
}

}  // namespace

NamedAttribute read_attribute(std::string_view bytes, TensorReader& tensors) {
  AttributeView view = view_attribute(bytes);
  if (view.name.empty()) fail_input("an attribute has no name");
  if (view.is_reference) {
    fail_input("attribute '{}' refers to a function's attribute outside of any function",
               view.name);
  }
  std::string name(view.name);
  return {std::move(name), to_attribute(std::move(view), tensors)};
}

}  // namespace octet::onnx
