#include "onnx/export.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <protozero/pbf_writer.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "onnx/byte_sequence.h"
#include "onnx/encode.h"
#include "onnx/fields.h"

namespace octet::onnx {
namespace fs = std::filesystem;

namespace {

using protozero::pbf_writer;

constexpr size_t kSmallWeight = 1024;      ///< stays in the model: shapes, scales, biases
constexpr uint64_t kDataAlignment = 4096;  ///< so that readers can map a weight by itself
constexpr uint64_t kLargestMessage = std::numeric_limits<int32_t>::max();

/// Operators of opsets after the one written.
constexpr std::array<std::string_view, 5> kNewerOperators{
    "Attention", "RMSNormalization", "RotaryEmbedding", "Swish", "TensorScatter"};

struct Weight {
  const Value* value;
  std::optional<ExternalPlace> place;
};

void check_canonical(const Graph& graph) {
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!node.domain.empty()) {
      fail(ErrorCode::usage,
           "node '{}' is {}.{}, which ONNX does not know; export the graph before it is fused",
           node.name, node.domain, node.op);
    }
    if (std::ranges::count(kNewerOperators, node.op) > 0) {
      fail(ErrorCode::usage, "node '{}' is {}, which opset {} does not know", node.name, node.op,
           kOpsetWritten);
    }
  }
}

/// The constants that something reads, in the order of their ids.
std::vector<Weight> find_weights(const Graph& graph) {
  std::vector<bool> used(graph.value_count(), false);
  const auto mark = [&used](ValueId id) {
    if (id != kNoValue) used[static_cast<size_t>(id)] = true;
  };
  for (const NodeId id : graph.order()) std::ranges::for_each(graph.node(id).inputs, mark);
  std::ranges::for_each(graph.outputs(), mark);
  std::vector<Weight> weights;
  for (const ValueId id : graph.values()) {
    if (used[static_cast<size_t>(id)] && graph.is_constant(id)) {
      weights.push_back({&graph.value(id), std::nullopt});
    }
  }
  return weights;
}

/// Gives the larger weights a place in the data file. Returns whether there is one.
bool place_outside(std::vector<Weight>& weights, const fs::path& data_file, uint64_t threshold) {
  uint64_t total = 0;
  for (const Weight& weight : weights) total += weight.value->constant->size_bytes();
  if (total <= threshold) return false;
  uint64_t offset = 0;
  for (Weight& weight : weights) {
    const size_t size = weight.value->constant->size_bytes();
    if (size <= kSmallWeight) continue;
    weight.place = ExternalPlace{data_file.filename().string(), offset};
    offset = (offset + size + kDataAlignment - 1) / kDataAlignment * kDataAlignment;
  }
  return offset > 0;
}

void write_data(const std::vector<Weight>& weights, AtomicFile& file, const Progress& progress) {
  for (const Weight& weight : weights) {
    if (!weight.place) continue;
    throw_if_interrupted();
    file.write(std::string(weight.place->offset - file.size(), '\0'));
    file.write(weight.value->constant->bytes());
    report(progress, "writing weights", static_cast<int64_t>(file.size()), 0);
  }
}

void add_message(ByteSequence& target, uint32_t field, std::string_view message) {
  target.append(encode_field_header(field, message.size()));
  target.append(message);
}

void add_weight(ByteSequence& target, const Weight& weight) {
  const Tensor& tensor = *weight.value->constant;
  const std::string header = encode_tensor_header(weight.value->name, tensor, weight.place);
  const size_t inside = weight.place ? 0 : tensor.size_bytes();
  target.append(encode_field_header(graph::kInitializer, header.size() + inside));
  target.append(header);
  if (inside > 0) target.refer_to(tensor.bytes());
}

/// Values that nodes write and that are no output of the graph: their types go to value_info.
void add_value_infos(ByteSequence& target, const Graph& graph) {
  std::vector<bool> is_output(graph.value_count(), false);
  for (const ValueId id : graph.outputs()) is_output[static_cast<size_t>(id)] = true;
  for (const NodeId node : graph.order()) {
    for (const ValueId id : graph.node(node).outputs) {
      if (id == kNoValue || is_output[static_cast<size_t>(id)]) continue;
      add_message(target, graph::kValueInfo, encode_value_info(graph.value(id)));
    }
  }
}

ByteSequence encode_graph(const Graph& graph, const std::vector<Weight>& weights) {
  ByteSequence bytes;
  for (const NodeId id : graph.order()) {
    add_message(bytes, graph::kNode, encode_node(graph, graph.node(id)));
  }
  add_message(bytes, graph::kName, graph.name());
  for (const Weight& weight : weights) add_weight(bytes, weight);
  for (const ValueId id : graph.inputs()) {
    add_message(bytes, graph::kInput, encode_value_info(graph.value(id)));
  }
  for (const ValueId id : graph.outputs()) {
    add_message(bytes, graph::kOutput, encode_value_info(graph.value(id)));
  }
  add_value_infos(bytes, graph);
  return bytes;
}

std::string encode_model_start(const ExportOptions& options, uint64_t graph_size) {
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_int64(model::kIrVersion, kIrVersionWritten);
  writer.add_string(model::kProducerName, "octet");
  writer.add_string(model::kProducerVersion, options.producer_version);
  return bytes + encode_field_header(model::kGraph, graph_size);
}

std::string encode_model_end(const ExportOptions& options) {
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_message(model::kOpsetImport, encode_opset_import(kOpsetWritten));
  for (const auto& [key, value] : options.metadata) {
    writer.add_message(model::kMetadata, encode_entry(key, value));
  }
  return bytes;
}

void write_model(const Graph& graph, const std::vector<Weight>& weights, AtomicFile& file,
                 const ExportOptions& options) {
  const ByteSequence body = encode_graph(graph, weights);
  const std::string start = encode_model_start(options, body.size());
  const std::string end = encode_model_end(options);
  if (start.size() + body.size() + end.size() > kLargestMessage) {
    fail(ErrorCode::failed,
         "'{}' would have {} bytes, more than the 2 GiB an ONNX file may have; lower the threshold "
         "for external data",
         file.path().string(), start.size() + body.size() + end.size());
  }
  file.write(start);
  body.write(file, options.progress);
  file.write(end);
}

}  // namespace

void export_graph(const Graph& graph, const fs::path& file, const ExportOptions& options) {
  check_canonical(graph);
  fs::path data_file = file;
  data_file += "_data";
  std::vector<Weight> weights = find_weights(graph);
  std::optional<AtomicFile> data;
  if (place_outside(weights, data_file, options.external_threshold)) {
    data.emplace(data_file);
    write_data(weights, *data, options.progress);
  }
  AtomicFile model(file);
  write_model(graph, weights, model, options);
  if (data) data->commit();
  model.commit();
}

}  // namespace octet::onnx
