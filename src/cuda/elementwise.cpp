// Element-wise operators, one kernel a node: a formula for each, operands broadcast.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "cuda/elements.h"
#include "ops/ops.h"

namespace octet::cuda {
namespace {

using runtime::KernelChoice;

/// {0}, {1} and {2} stand for the operands, widened to float or int64_t.
struct Formula {
  std::string_view op;
  std::string_view text;
};

constexpr std::array kFormulas{
    Formula{"Add", "sum({0}, {1})"},
    Formula{"Sub", "difference({0}, {1})"},
    Formula{"Mul", "product({0}, {1})"},
    Formula{"Div", "quotient({0}, {1})"},
    Formula{"Pow", "powf({0}, {1})"},
    Formula{"Equal", "(int64_t)({0} == {1})"},
    Formula{"Cast", "{0}"},
    Formula{"Sigmoid", "sigmoid({0})"},
    Formula{"Tanh", "tanhf({0})"},
    Formula{"Erf", "erff({0})"},
    Formula{"Exp", "expf({0})"},
    Formula{"Sqrt", "sqrtf({0})"},
    Formula{"QuickGelu", "quick_gelu({0})"},
    Formula{"QuantizeLinear", "{0} / {1}"},
    Formula{"DequantizeLinear", "{0} * {1}"},
};

const Dims& out_dims(const NodeSite& site) {
  return site.graph.value(site.node.outputs.at(0)).dims;
}

/// Where input `input` has the element for element i of the output.
std::string offset_of(const NodeSite& site, size_t input) {
  const IndexText index(symbols_of(site.graph, site.node));
  const Dims& dims = site.graph.value(site.node.inputs[input]).dims;
  const bool scales = site.node.is("QuantizeLinear") || site.node.is("DequantizeLinear");
  if (!scales || input == 0) return index.broadcast_offset(dims, out_dims(site), "i");
  if (dims.empty()) return "0";
  const auto rank = static_cast<int64_t>(out_dims(site).size());
  const int64_t axis = site.node.integer("axis", 1);
  return index.coordinate(out_dims(site), static_cast<size_t>(axis < 0 ? axis + rank : axis), "i");
}

std::string operand(const NodeSite& site, size_t input) {
  return wide_text(site.graph, site.node, input, offset_of(site, input));
}

std::string formula_of(const Node& node) {
  if (node.is("Gelu")) {
    return node.text("approximate", "none") == "tanh" ? "gelu_tanh({0})" : "gelu({0})";
  }
  const auto found = std::ranges::find(kFormulas, node.op, &Formula::op);
  check(found != kFormulas.end(), "operator {} has no formula", node.op);
  return std::string(found->text);
}

KernelSource text_of(const NodeSite& site) {
  const Dims& dims = out_dims(site);
  const std::string type = element_name(site.graph.value(site.node.outputs[0]).dtype);
  const bool pairs = site.node.inputs.size() > 1;
  const std::string first = operand(site, 0);
  const std::string second = pairs ? operand(site, 1) : "";
  const std::string value = fmt::format(fmt::runtime(formula_of(site.node)), first, second);
  return element_source(site, {dims, type, fmt::format("narrow<Y>({})", value)});
}

/// Chooses among stored elements, so that nothing is rounded.
KernelSource where_text(const NodeSite& site) {
  const Value& y = site.graph.value(site.node.outputs[0]);
  const std::string type = bits_name(size_of(y.dtype));
  const std::string value =
      fmt::format("{} ? {} : {}", operand(site, 0), element_text(1, type, offset_of(site, 1)),
                  element_text(2, type, offset_of(site, 2)));
  return element_source(site, {y.dims, type, value});
}

std::unique_ptr<runtime::Kernel> load(const Device& device, const Graph& graph, const Node& node,
                                      const KernelChoice& choice) {
  return load_generic(device, graph, node, choice,
                      element_launch(graph, node, graph.value(node.outputs.at(0)).dims));
}

KernelEntry entry(std::string_view name, std::string_view op, std::string_view domain = "") {
  return generic_entry<text_of, load>(name, op, domain);
}

}  // namespace

std::vector<KernelEntry> elementwise_kernels() {
  return {
      entry("generic.Add", "Add"),
      entry("generic.Sub", "Sub"),
      entry("generic.Mul", "Mul"),
      entry("generic.Div", "Div"),
      entry("generic.Pow", "Pow"),
      entry("generic.Equal", "Equal"),
      entry("generic.Cast", "Cast"),
      entry("generic.Sigmoid", "Sigmoid"),
      entry("generic.Tanh", "Tanh"),
      entry("generic.Erf", "Erf"),
      entry("generic.Exp", "Exp"),
      entry("generic.Sqrt", "Sqrt"),
      entry("generic.Gelu", "Gelu"),
      entry("generic.QuickGelu", "QuickGelu", kOctetDomain),
      entry("generic.QuantizeLinear", "QuantizeLinear"),
      entry("generic.DequantizeLinear", "DequantizeLinear"),
      generic_entry<where_text, load>("generic.Where", "Where"),
  };
}

}  // namespace octet::cuda
