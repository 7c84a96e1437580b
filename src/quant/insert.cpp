#include "quant/insert.h"

#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "graph/patch.h"
#include "ops/ops.h"
#include "quant/weights.h"
#include "tensor/codecs.h"

namespace octet::quant {
namespace {

/// The scale in the graph's precision. One that FP16 would round to zero becomes its smallest
/// value.
Tensor scale_constant(const Tensor& scale, DType precision, const std::string& quantizer) {
  Tensor rounded = convert(scale, precision);
  for (int64_t i = 0; i < rounded.count(); ++i) {
    const float value = element_as_f32(rounded, i);
    if (value > 0 && value <= 65504.0F) continue;
    if (value != 0 || precision != DType::f16) {
      fail_input("'{}': scale {} does not fit {}", quantizer, element_as_f32(scale, i),
                 octet::name_of(precision));
    }
    rounded = rounded.clone();
    rounded.mutable_values<uint16_t>()[static_cast<size_t>(i)] = 1;
  }
  return rounded;
}

/// Inserts quantizers into one graph, sharing what can be shared.
class Inserter {
 public:
  explicit Inserter(Graph& graph) : graph_(graph), patch_(graph) {}

  void add_pair(const Point& point, const Tensor& scale) {
    const Value& value = graph_.value(point.value);
    const Tensor rounded = scale_constant(scale, value.dtype, point.name);
    const float number = element_as_f32(rounded, 0);
    auto& shared = pairs_[{point.value, number}];
    if (!shared) shared = make_pair(point, rounded);
    patch_.replace_input(point.node, point.operand, *shared);
  }

  void add_dynamic(const Point& point) {
    auto& shared = dynamic_[point.value];
    if (!shared) {
      const Value& value = graph_.value(point.value);
      shared = patch_.add_value(point.name, value.dtype, value.dims);
      patch_.add_node({point.name + "/fake_quantize",
                       std::string(kOctetDomain),
                       "FakeQuantizeRows",
                       {point.value},
                       {*shared},
                       {}});
    }
    patch_.replace_input(point.node, point.operand, *shared);
  }

  void add_weight(const Point& point, const Tensor& scale) {
    const Value& weight = graph_.value(point.value);
    if (weight.dtype == DType::f8e4m3) return;
    const DType precision = weight.dtype;
    const std::string module(module_of(point.name));
    const Tensor rounded = scale_constant(scale, precision, point.name);
    // Convolutions have their output channels first, products (transposed weights) last.
    const int64_t axis = graph_.node(point.node).is("Conv") ? 0 : 1;
    const ValueId codes =
        patch_.add_constant(weight.name + "/codes",
                            quantize_weight(*weight.constant, rounded, static_cast<size_t>(axis)));
    const ValueId restored = patch_.add_value(point.name, precision, weight.dims);
    Attributes attributes;
    if (rounded.rank() == 1) attributes["axis"] = axis;
    patch_.add_node({point.name,
                     "",
                     "DequantizeLinear",
                     {codes, patch_.add_constant(module + ".weight_scale", rounded)},
                     {restored},
                     std::move(attributes)});
    patch_.replace_input(point.node, point.operand, restored);
  }

  void apply() {
    patch_.apply();
    infer_types(graph_);
  }

 private:
  ValueId make_pair(const Point& point, const Tensor& scale) {
    const Value& value = graph_.value(point.value);
    const ValueId factor = patch_.add_constant(point.name + "/scale", scale);
    const ValueId codes = patch_.add_value(point.name, DType::f8e4m3, value.dims);
    const ValueId restored = patch_.add_value(point.name + "/dequantize", value.dtype, value.dims);
    patch_.add_node({point.name + "/quantize",
                     "",
                     "QuantizeLinear",
                     {point.value, factor, zero_point()},
                     {codes},
                     {{"saturate", int64_t{1}}}});
    patch_.add_node(
        {point.name + "/dequantize", "", "DequantizeLinear", {codes, factor}, {restored}, {}});
    return restored;
  }

  /// Says that the codes are E4M3; its value is always zero.
  ValueId zero_point() {
    if (!zero_point_) {
      zero_point_ = patch_.add_constant("e4m3_zero_point", Tensor(DType::f8e4m3, {}));
    }
    return *zero_point_;
  }

  Graph& graph_;
  Patch patch_;
  std::map<std::pair<ValueId, float>, std::optional<ValueId>> pairs_;
  std::map<ValueId, std::optional<ValueId>> dynamic_;
  std::optional<ValueId> zero_point_;
};

}  // namespace

std::vector<std::vector<std::string>> insert_observers(Graph& graph,
                                                       const std::vector<Point>& points) {
  Patch patch(graph);
  std::vector<std::vector<std::string>> shared;
  std::map<ValueId, std::pair<size_t, ValueId>> observed;
  for (const Point& point : points) {
    const auto [place, fresh] = observed.try_emplace(point.value, shared.size(), ValueId{});
    auto& [group, output] = place->second;
    if (fresh) {
      const Value& value = graph.value(point.value);
      output = patch.add_value(point.name + "/observed", value.dtype, value.dims);
      patch.add_node({point.name + "/observe",
                      std::string(kOctetDomain),
                      "Observe",
                      {point.value},
                      {output},
                      {{"quantizer", point.name}}});
      shared.emplace_back();
    }
    shared[group].push_back(point.name);
    patch.replace_input(point.node, point.operand, output);
  }
  patch.apply();
  infer_types(graph);
  return shared;
}

void insert_quantizers(Graph& graph, const checkpoint::StoredQuantizers& quantizers) {
  Inserter inserter(graph);
  for (const Point& point : find_points(graph)) {
    const auto found = quantizers.find(point.name);
    if (found == quantizers.end() || !found->second.enabled) continue;
    const checkpoint::StoredQuantizer& quantizer = found->second;
    if (quantizer.dynamic_per_token) {
      inserter.add_dynamic(point);
    } else if (point.kind == PointKind::weight) {
      inserter.add_weight(point, quantizer.scale);
    } else {
      inserter.add_pair(point, quantizer.scale);
    }
  }
  inserter.apply();
}

}  // namespace octet::quant
