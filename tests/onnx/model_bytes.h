#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <protozero/pbf_writer.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "onnx/fields.h"
#include "onnx/import.h"
#include "tests/expect_error.h"

namespace octet::onnx {

/// One protobuf message made by hand, right or wrong.
class Message {
 public:
  Message& add(uint32_t field, std::string_view bytes) {
    protozero::pbf_writer(bytes_).add_bytes(field, bytes.data(), bytes.size());
    return *this;
  }
  Message& add(uint32_t field, const Message& message) { return add(field, message.bytes_); }
  Message& add(uint32_t field, int64_t value) {
    protozero::pbf_writer(bytes_).add_int64(field, value);
    return *this;
  }
  Message& add_float(uint32_t field, float value) {
    protozero::pbf_writer(bytes_).add_float(field, value);
    return *this;
  }
  Message& append(std::string_view raw) {
    bytes_ += raw;
    return *this;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

inline constexpr int64_t kFloat = 1;
inline constexpr int64_t kInt64 = 7;

inline Message value_message(std::string_view name, int64_t element_type,
                             const std::vector<int64_t>& dims) {
  Message shape;
  for (const int64_t dim : dims) shape.add(type::kDim, Message().add(type::kDimValue, dim));
  const Message tensor = Message().add(type::kElementType, element_type).add(type::kShape, shape);
  return Message()
      .add(value_info::kName, name)
      .add(value_info::kType, Message().add(type::kTensor, tensor));
}

inline Message node_message(std::string_view op, std::initializer_list<std::string_view> inputs,
                            std::initializer_list<std::string_view> outputs,
                            std::string_view name = {}) {
  Message message;
  for (const auto input : inputs) message.add(node::kInput, input);
  for (const auto output : outputs) message.add(node::kOutput, output);
  if (!name.empty()) message.add(node::kName, name);
  return message.add(node::kOpType, op);
}

/// Name, dims and element type; the data is the caller's to add.
inline Message tensor_message(std::string_view name, int64_t element_type,
                              const std::vector<int64_t>& dims) {
  Message message;
  for (const int64_t dim : dims) message.add(tensor::kDims, dim);
  message.add(tensor::kDataType, element_type);
  if (!name.empty()) message.add(tensor::kName, name);
  return message;
}

inline Message attribute_message(std::string_view name, attribute::Type type) {
  return Message().add(attribute::kName, name).add(attribute::kType, static_cast<int64_t>(type));
}

/// A graph with input x [2] and output y [2], both FLOAT; the rest is the caller's to add.
inline Message graph_message() {
  return Message()
      .add(graph::kName, "g")
      .add(graph::kInput, value_message("x", kFloat, {2}))
      .add(graph::kOutput, value_message("y", kFloat, {2}));
}

inline std::string model_bytes(const Message& graph, int64_t opset = 20, int64_t ir_version = 9) {
  return Message()
      .add(model::kIrVersion, ir_version)
      .add(model::kGraph, graph)
      .add(model::kOpsetImport, Message().add(opset::kDomain, "").add(opset::kVersion, opset))
      .bytes();
}

inline ImportResult import_text(const std::string& text, const ImportOptions& options = {},
                                const std::filesystem::path& folder = {}) {
  const auto owner = std::make_shared<const std::string>(text);
  return import_bytes(std::as_bytes(std::span(*owner)), owner, folder, options);
}

/// The import must fail as bad input, and say `reason`.
inline void expect_refused(const std::string& text, const std::string& reason,
                           const std::filesystem::path& folder = {}) {
  SCOPED_TRACE("expected: " + reason);
  test::expect_error(ErrorCode::bad_input, {reason}, [&] { import_text(text, {}, folder); });
}

}  // namespace octet::onnx
