#include "onnx/constant_node.h"

#include <span>
#include <string_view>

#include "base/error.h"

namespace octet::onnx {
namespace {

template <typename T>
Tensor vector_of(const std::vector<T>& values) {
  return Tensor::from<T>({static_cast<int64_t>(values.size())}, std::span(values));
}

struct ToTensor {
  Tensor operator()(const Tensor& value) const { return value; }
  Tensor operator()(float value) const { return Tensor::scalar(value); }
  Tensor operator()(int64_t value) const { return Tensor::scalar(value); }
  Tensor operator()(const std::vector<float>& values) const { return vector_of(values); }
  Tensor operator()(const std::vector<int64_t>& values) const { return vector_of(values); }
  Tensor operator()(const std::string&) const {
    fail_input("a constant of strings is not supported");
  }
};

}  // namespace

Tensor constant_value(const NamedAttribute& attribute) {
  if (!std::string_view(attribute.name).starts_with("value")) {
    fail_input("attribute '{}' of a Constant is not supported", attribute.name);
  }
  return std::visit(ToTensor(), attribute.value);
}

}  // namespace octet::onnx
