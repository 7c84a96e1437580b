#include "graph/graph_json.h"

#include <bit>
#include <map>
#include <stdexcept>

#include "base/error.h"

namespace octet {
namespace {

Json dims_to_json(const Dims& dims) {
  Json list = Json::array();
  for (const Dim& dim : dims) {
    list.push_back(dim.is_symbolic() ? Json(dim.symbol()) : Json(dim.size()));
  }
  return list;
}

Dims dims_from_json(const Json& list) {
  Dims dims;
  for (const Json& item : list) {
    if (item.is_string()) {
      dims.emplace_back(item.get<std::string>());
    } else {
      dims.emplace_back(item.get<int64_t>());
      if (dims.back().size() < 0) fail_input("a negative extent");
    }
  }
  return dims;
}

/// {type: value}; floats as bit patterns, so nothing is lost in decimal.
struct AttributeWriter {
  Json operator()(int64_t value) const { return {{"i", value}}; }
  Json operator()(float value) const { return {{"f", std::bit_cast<uint32_t>(value)}}; }
  Json operator()(const std::string& value) const { return {{"s", value}}; }
  Json operator()(const std::vector<int64_t>& values) const { return {{"is", values}}; }
  Json operator()(const std::vector<float>& values) const {
    Json list = Json::array();
    for (const float value : values) list.push_back(std::bit_cast<uint32_t>(value));
    return {{"fs", std::move(list)}};
  }
  Json operator()(const Tensor& /*tensor*/) const {
    throw std::logic_error("a tensor attribute in a graph that is written as JSON");
  }
};

Attribute attribute_from_json(const Json& json) {
  if (json.size() != 1) fail_input("an attribute without a type");
  const std::string type = json.begin().key();
  const Json& value = json.begin().value();
  if (type == "i") return value.get<int64_t>();
  if (type == "f") return std::bit_cast<float>(value.get<uint32_t>());
  if (type == "s") return value.get<std::string>();
  if (type == "is") return value.get<std::vector<int64_t>>();
  if (type != "fs") fail_input("an attribute of type '{}'", type);
  std::vector<float> floats;
  for (const Json& item : value) floats.push_back(std::bit_cast<float>(item.get<uint32_t>()));
  return floats;
}

class Writer {
 public:
  Writer(const Graph& graph, const StoreConstant& store) : graph_(graph), store_(store) {}

  Json write() {
    Json values = Json::array();
    for (const ValueId id : graph_.values()) {
      index_[id] = static_cast<int64_t>(values.size());
      values.push_back(value(graph_.value(id)));
    }
    Json nodes = Json::array();
    for (const NodeId id : graph_.order()) nodes.push_back(node(graph_.node(id)));
    return {{"name", graph_.name()},
            {"values", std::move(values)},
            {"nodes", std::move(nodes)},
            {"inputs", references(graph_.inputs())},
            {"outputs", references(graph_.outputs())}};
  }

 private:
  [[nodiscard]] Json value(const Value& value) const {
    Json json = {
        {"name", value.name}, {"dtype", name_of(value.dtype)}, {"dims", dims_to_json(value.dims)}};
    if (value.constant) json["constant"] = store_(*value.constant);
    return json;
  }

  [[nodiscard]] Json node(const Node& node) const {
    Json json = {{"name", node.name},
                 {"op", node.op},
                 {"inputs", references(node.inputs)},
                 {"outputs", references(node.outputs)}};
    if (!node.domain.empty()) json["domain"] = node.domain;
    for (const auto& [key, attribute] : node.attributes) {
      json["attributes"][key] = std::visit(AttributeWriter{}, attribute);
    }
    return json;
  }

  /// -1 stands for an input left out.
  [[nodiscard]] Json references(const std::vector<ValueId>& ids) const {
    Json list = Json::array();
    for (const ValueId id : ids) list.push_back(id == kNoValue ? -1 : index_.at(id));
    return list;
  }

  const Graph& graph_;
  const StoreConstant& store_;
  std::map<ValueId, int64_t> index_;
};

class Reader {
 public:
  Reader(const Json& json, const LoadConstant& load)
      : json_(json), load_(load), graph_(json.at("name").get<std::string>()) {}

  Graph read() {
    std::vector<bool> is_input(json_.at("values").size(), false);
    for (const Json& index : json_.at("inputs")) is_input.at(index.get<size_t>()) = true;
    for (const Json& item : json_.at("values")) value(item, is_input.at(ids_.size()));
    for (const Json& item : json_.at("nodes")) node(item);
    graph_.set_outputs(references(json_.at("outputs")));
    return std::move(graph_);
  }

 private:
  void value(const Json& item, bool is_input) {
    auto name = item.at("name").get<std::string>();
    if (graph_.find_value(name)) fail_input("value '{}' stands twice", name);
    const DType dtype = dtype_from_name(item.at("dtype").get<std::string>());
    Dims dims = dims_from_json(item.at("dims"));
    if (item.contains("constant")) {
      const std::optional<Shape> shape = to_shape(dims);
      if (!shape) fail_input("constant '{}' has a symbolic shape", name);
      Tensor tensor = load_(item.at("constant").get<std::string>(), dtype, *shape);
      ids_.push_back(graph_.add_constant(std::move(name), std::move(tensor)));
    } else if (is_input) {
      ids_.push_back(graph_.add_input(std::move(name), dtype, std::move(dims)));
    } else {
      ids_.push_back(graph_.add_value(std::move(name), dtype, std::move(dims)));
    }
  }

  void node(const Json& item) {
    Node node{item.at("name").get<std::string>(), item.value("domain", ""),
              item.at("op").get<std::string>(),   references(item.at("inputs")),
              references(item.at("outputs")),     {}};
    if (graph_.find_node(node.name)) fail_input("node '{}' stands twice", node.name);
    for (const ValueId output : node.outputs) {
      if (output != kNoValue && (graph_.producer(output) || graph_.is_constant(output))) {
        fail_input("value '{}' is written twice", graph_.value(output).name);
      }
    }
    if (item.contains("attributes")) {
      for (const auto& [key, attribute] : item.at("attributes").items()) {
        node.attributes[key] = attribute_from_json(attribute);
      }
    }
    graph_.add_node(std::move(node));
  }

  [[nodiscard]] std::vector<ValueId> references(const Json& list) const {
    std::vector<ValueId> result;
    for (const Json& item : list) {
      const auto index = item.get<int64_t>();
      result.push_back(index < 0 ? kNoValue : ids_.at(static_cast<size_t>(index)));
    }
    return result;
  }

  const Json& json_;
  const LoadConstant& load_;
  Graph graph_;
  std::vector<ValueId> ids_;
};

}  // namespace

Json graph_to_json(const Graph& graph, const StoreConstant& store) {
  return Writer(graph, store).write();
}

Graph graph_from_json(const Json& json, const LoadConstant& load, std::string_view where) {
  try {
    Graph graph = Reader(json, load).read();
    graph.verify();
    return graph;
  } catch (const nlohmann::json::exception& error) {
    fail_input("{}: not a graph ({})", where, error.what());
  } catch (const std::logic_error& error) {  // a structure that Graph refuses
    fail_input("{}: not a graph ({})", where, error.what());
  } catch (const Error& error) {
    throw error.with_context(where);
  }
}

}  // namespace octet
