#include "onnx/graph_view.h"

#include "onnx/fields.h"
#include "onnx/model_view.h"
#include "onnx/tensor_reader.h"
#include "onnx/wire_reader.h"

namespace octet::onnx {
namespace {

struct Counts {
  size_t nodes = 0;
  size_t initializers = 0;
  size_t values = 0;
};

Counts count_fields(std::string_view bytes) {
  Counts counts;
  WireReader reader(bytes, "GraphProto");
  while (reader.next()) {
    switch (reader.field()) {
      case graph::kNode:
        ++counts.nodes;
        break;
      case graph::kInitializer:
        ++counts.initializers;
        break;
      case graph::kInput:
      case graph::kOutput:
      case graph::kValueInfo:
        ++counts.values;
        break;
      default:
        break;
    }
    reader.skip();
  }
  return counts;
}

void check_counts(const Counts& counts) {
  const auto refuse_above = [](size_t count, size_t limit, std::string_view what) {
    if (count > limit) fail_input("it holds {} {}, more than the {} allowed", count, what, limit);
  };
  refuse_above(counts.nodes, limit::kNodes, "nodes");
  refuse_above(counts.initializers, limit::kTensors, "initializers");
  refuse_above(counts.values, limit::kValues, "descriptions of values");
}

[[noreturn]] void refuse_sparse(std::string_view bytes) {
  WireReader reader(bytes, "SparseTensorProto");
  std::string_view name;
  while (reader.next()) {
    if (reader.field() == sparse::kValues)
      name = tensor_name(reader.bytes());
    else
      reader.skip();
  }
  fail_input("initializer '{}' is sparse, which is not supported; export dense weights", name);
}

std::optional<Dim> view_dim(std::string_view bytes) {
  WireReader reader(bytes, "TensorShapeProto.Dimension");
  std::optional<Dim> dim;
  while (reader.next()) {
    switch (reader.field()) {
      case type::kDimValue: {
        const int64_t size = reader.integer();
        dim = size < 0 ? std::nullopt : std::optional(Dim(size));
        break;
      }
      case type::kDimParam: {
        const std::string_view symbol = reader.name();
        dim = symbol.empty() ? std::nullopt : std::optional(Dim(std::string(symbol)));
        break;
      }
      default:
        reader.skip();
    }
  }
  return dim;
}

std::vector<std::optional<Dim>> view_shape(std::string_view bytes) {
  WireReader reader(bytes, "TensorShapeProto");
  std::vector<std::optional<Dim>> dims;
  while (reader.next()) {
    if (reader.field() != type::kDim) {
      reader.skip();
      continue;
    }
    check_below(dims.size(), limit::kRank, "dimensions of one value");
    dims.push_back(view_dim(reader.bytes()));
  }
  return dims;
}

void view_tensor_type(ValueInfoView& view, std::string_view bytes) {
  WireReader reader(bytes, "TypeProto.Tensor");
  while (reader.next()) {
    switch (reader.field()) {
      case type::kElementType:
        view.element_type = reader.integer();
        break;
      case type::kShape:
        view.dims = view_shape(reader.bytes());
        break;
      default:
        reader.skip();
    }
  }
}

/// Sequences, maps and optionals nest in each other without bound; nobody here looks inside.
void view_type(ValueInfoView& view, std::string_view bytes) {
  WireReader reader(bytes, "TypeProto");
  while (reader.next()) {
    if (reader.field() == type::kTensor)
      view_tensor_type(view, reader.bytes());
    else
      reader.skip();
  }
}

void add_operand(std::vector<std::string_view>& list, std::string_view operand) {
  check_below(list.size(), limit::kOperands, "inputs, outputs or attributes of one node");
  list.push_back(operand);
}

}  // namespace

GraphView view_graph(std::string_view bytes) {
  const Counts counts = count_fields(bytes);
  check_counts(counts);
  GraphView view;
  view.nodes.reserve(counts.nodes);
  view.initializers.reserve(counts.initializers);
  WireReader reader(bytes, "GraphProto");
  while (reader.next()) {
    switch (reader.field()) {
      case graph::kNode:
        view.nodes.push_back(reader.bytes());
        break;
      case graph::kName:
        view.name = reader.name();
        break;
      case graph::kInitializer:
        view.initializers.push_back(reader.bytes());
        break;
      case graph::kInput:
        view.inputs.push_back(reader.bytes());
        break;
      case graph::kOutput:
        view.outputs.push_back(reader.bytes());
        break;
      case graph::kValueInfo:
        view.value_infos.push_back(reader.bytes());
        break;
      case graph::kSparseInitializer:
        refuse_sparse(reader.bytes());
      default:
        reader.skip();
    }
  }
  return view;
}

NodeView view_node(std::string_view bytes) {
  WireReader reader(bytes, "NodeProto");
  NodeView view;
  while (reader.next()) {
    switch (reader.field()) {
      case node::kInput:
        add_operand(view.inputs, reader.name());
        break;
      case node::kOutput:
        add_operand(view.outputs, reader.name());
        break;
      case node::kName:
        view.name = reader.name();
        break;
      case node::kOpType:
        view.op = reader.name();
        break;
      case node::kAttribute:
        add_operand(view.attributes, reader.bytes());
        break;
      case node::kDomain:
        view.domain = canonical_domain(reader.name());
        break;
      default:
        reader.skip();
    }
  }
  return view;
}

ValueInfoView view_value_info(std::string_view bytes) {
  WireReader reader(bytes, "ValueInfoProto");
  ValueInfoView view;
  while (reader.next()) {
    switch (reader.field()) {
      case value_info::kName:
        view.name = reader.name();
        break;
      case value_info::kType:
        view_type(view, reader.bytes());
        break;
      default:
        reader.skip();
    }
  }
  return view;
}

std::string_view value_info_name(std::string_view bytes) {
  WireReader reader(bytes, "ValueInfoProto");
  std::string_view name;
  while (reader.next()) {
    if (reader.field() == value_info::kName)
      name = reader.name();
    else
      reader.skip();
  }
  return name;
}

}  // namespace octet::onnx
