#include "quant/points.h"

#include <map>

#include "passes/match.h"
#include "passes/passes.h"

namespace octet::quant {
namespace {

constexpr std::string_view kAttentionOutput = ".out_proj.input_quantizer";

/// The constant behind an operand, a DequantizeLinear between them or not; kNoValue when there is
/// none.
ValueId constant_behind(const Graph& graph, ValueId operand) {
  if (graph.is_constant(operand)) return operand;
  const Node* dequantize = passes::made_by(graph, operand, "DequantizeLinear");
  if (dequantize == nullptr || !graph.is_constant(dequantize->inputs[0])) return kNoValue;
  return dequantize->inputs[0];
}

ValueId without_quantizers(const Graph& graph, ValueId value) {
  if (const Node* rows = passes::made_by(graph, value, "FakeQuantizeRows", kOctetDomain)) {
    return rows->inputs[0];
  }
  return passes::before_quantizer(graph, value);
}

void add_module(const Graph& graph, NodeId id, std::vector<Point>& points) {
  const Node& node = graph.node(id);
  const ValueId weight = constant_behind(graph, node.inputs[1]);
  if (weight == kNoValue || graph.value(weight).dims.size() < 2) return;
  const char* module_class = node.is("Conv") ? "nn.Conv2d" : "nn.Linear";
  points.push_back({node.name + ".input_quantizer", PointKind::input, id, 0,
                    without_quantizers(graph, node.inputs[0]), module_class});
  points.push_back(
      {node.name + ".weight_quantizer", PointKind::weight, id, 1, weight, module_class});
}

}  // namespace

bool needs_data(PointKind kind) {
  return kind != PointKind::weight && kind != PointKind::softmax;
}

std::vector<Point> find_points(const Graph& graph) {
  std::map<NodeId, std::vector<Point>> of_attention;
  for (const passes::AttentionMatch& match : passes::find_attention(graph)) {
    of_attention[match.scores] = {
        {match.name + ".q_bmm_quantizer", PointKind::q, match.scores, 0, match.q, ""},
        {match.name + ".k_bmm_quantizer", PointKind::k, match.scores, 1, match.k, ""}};
    of_attention[match.values] = {
        {match.name + ".softmax_quantizer", PointKind::softmax, match.values, 0,
         match.probabilities, ""},
        {match.name + ".v_bmm_quantizer", PointKind::v, match.values, 1, match.v, ""}};
  }
  std::vector<Point> points;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (const auto found = of_attention.find(id); found != of_attention.end()) {
      points.insert(points.end(), found->second.begin(), found->second.end());
    } else if (node.is("MatMul") || node.is("Conv")) {
      add_module(graph, id, points);
    }
  }
  return points;
}

std::string alias_of(std::string_view name) {
  if (!name.ends_with(kAttentionOutput)) return {};
  name.remove_suffix(kAttentionOutput.size());
  return std::string(name) + ".bmm2_output_quantizer";
}

std::string_view module_of(std::string_view quantizer) {
  return quantizer.substr(0, quantizer.rfind('.'));
}

}  // namespace octet::quant
