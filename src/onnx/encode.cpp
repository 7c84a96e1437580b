#include "onnx/encode.h"

#include <protozero/pbf_writer.hpp>
#include <string_view>
#include <vector>

#include "onnx/fields.h"
#include "ops/ops.h"

namespace octet::onnx {
namespace {

using protozero::pbf_writer;

void add_text(pbf_writer& writer, uint32_t field, std::string_view text) {
  writer.add_bytes(field, text.data(), text.size());
}

/// Writes the value of an attribute and its kind.
struct AttributeEncoder {
  pbf_writer& writer;

  void operator()(float value) const {
    writer.add_float(attribute::kFloat, value);
    add_type(attribute::Type::real);
  }
  void operator()(int64_t value) const {
    writer.add_int64(attribute::kInt, value);
    add_type(attribute::Type::integer);
  }
  void operator()(const std::string& value) const {
    add_text(writer, attribute::kString, value);
    add_type(attribute::Type::string);
  }
  void operator()(const std::vector<float>& values) const {
    for (const float value : values) writer.add_float(attribute::kFloats, value);
    add_type(attribute::Type::reals);
  }
  void operator()(const std::vector<int64_t>& values) const {
    for (const int64_t value : values) writer.add_int64(attribute::kInts, value);
    add_type(attribute::Type::integers);
  }
  void operator()(const Tensor& value) const {
    const auto bytes = value.bytes();
    std::string tensor = encode_tensor_header({}, value, std::nullopt);
    tensor.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    writer.add_message(attribute::kTensor, tensor);
    add_type(attribute::Type::tensor);
  }

 private:
  void add_type(attribute::Type type) const {
    writer.add_enum(attribute::kType, static_cast<int32_t>(type));
  }
};

std::string encode_attribute(const std::string& name, const Attribute& value) {
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_string(attribute::kName, name);
  std::visit(AttributeEncoder{writer}, value);
  return bytes;
}

void add_operands(const Graph& graph, pbf_writer& writer, uint32_t field,
                  const std::vector<ValueId>& operands) {
  for (const ValueId id : operands) {
    add_text(writer, field, id == kNoValue ? std::string_view() : graph.value(id).name);
  }
}

std::string encode_dim(const Dim& dim) {
  std::string bytes;
  pbf_writer writer(bytes);
  if (dim.is_symbolic()) {
    writer.add_string(type::kDimParam, dim.symbol());
  } else {
    writer.add_int64(type::kDimValue, dim.size());
  }
  return bytes;
}

/// Messages go in as finished strings: a nested pbf_writer would leave out empty ones, and the
/// empty shape of a scalar says something.
std::string encode_tensor_type(const Value& value) {
  std::string shape;
  pbf_writer shape_writer(shape);
  for (const Dim& dim : value.dims) shape_writer.add_message(type::kDim, encode_dim(dim));
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_int64(type::kElementType, onnx_code_of(value.dtype));
  writer.add_message(type::kShape, shape);
  return bytes;
}

}  // namespace

std::string encode_node(const Graph& graph, const Node& node) {
  std::string bytes;
  pbf_writer writer(bytes);
  add_operands(graph, writer, node::kInput, node.inputs);
  add_operands(graph, writer, node::kOutput, node.outputs);
  writer.add_string(node::kName, node.name);
  writer.add_string(node::kOpType, node.op);
  for (const auto& [name, value] : node.attributes) {
    writer.add_message(node::kAttribute, encode_attribute(name, value));
  }
  return bytes;
}

std::string encode_value_info(const Value& value) {
  std::string tensor_type;
  pbf_writer type_writer(tensor_type);
  type_writer.add_message(type::kTensor, encode_tensor_type(value));
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_string(value_info::kName, value.name);
  writer.add_message(value_info::kType, tensor_type);
  return bytes;
}

std::string encode_tensor_header(const std::string& name, const Tensor& tensor,
                                 const std::optional<ExternalPlace>& place) {
  std::string bytes;
  pbf_writer writer(bytes);
  for (const int64_t extent : tensor.shape()) writer.add_int64(tensor::kDims, extent);
  writer.add_int64(tensor::kDataType, onnx_code_of(tensor.dtype()));
  if (!name.empty()) writer.add_string(tensor::kName, name);
  if (!place) return bytes + encode_field_header(tensor::kRawData, tensor.size_bytes());
  const auto add_entry = [&writer](const char* key, const std::string& value) {
    writer.add_message(tensor::kExternalData, encode_entry(key, value));
  };
  add_entry("location", place->location);
  add_entry("offset", std::to_string(place->offset));
  add_entry("length", std::to_string(tensor.size_bytes()));
  writer.add_enum(tensor::kDataLocation, tensor::kLocationExternal);
  return bytes;
}

std::string encode_opset_import(int64_t version) {
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_string(opset::kDomain, "");
  writer.add_int64(opset::kVersion, version);
  return bytes;
}

std::string encode_entry(const std::string& key, const std::string& value) {
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_string(entry::kKey, key);
  writer.add_string(entry::kValue, value);
  return bytes;
}

std::string encode_field_header(uint32_t field, uint64_t length) {
  constexpr uint32_t kLengthDelimited = 2;
  std::string bytes;
  protozero::add_varint_to_buffer(&bytes, (field << 3U) | kLengthDelimited);
  protozero::add_varint_to_buffer(&bytes, length);
  return bytes;
}

}  // namespace octet::onnx
