// Operators that move data: every element of the output is some element of an input. Where the
// innermost axis stays whole, up to 16 bytes of it move at once.
#include <numeric>

#include "cuda/placement.h"
#include "cuda/units.h"
#include "ops/ops.h"
#include "ops/parameters.h"

namespace octet::cuda {
namespace {

using runtime::KernelChoice;

size_t axis_of(const Node& node, size_t rank) {
  const int64_t axis = node.integer("axis", 0);
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
}

Units transpose_units(const Graph& graph, const Node& node) {
  const std::vector<size_t> permutation = permutation_of(context_of(graph, node));
  const bool keeps_last = !permutation.empty() && permutation.back() + 1 == permutation.size();
  return {graph, node, keeps_last ? 0 : 1};
}

ElementText transpose_text(const Graph& graph, const Node& node, const Units& units) {
  const std::vector<size_t> permutation = permutation_of(context_of(graph, node));
  std::string offset = "0";
  for (size_t axis = 0; axis < permutation.size(); ++axis) {
    offset = plus(offset, times(units.index().coordinate(units.output(), axis, "i"),
                                units.index().stride(units.input(), permutation[axis])));
  }
  return units.text(units.element(0, offset));
}

Units expand_units(const Graph& graph, const Node& node) {
  return {graph, node, last_step(graph, node.inputs[0])};
}

ElementText expand_text(const Graph& /*graph*/, const Node& /*node*/, const Units& units) {
  return units.text(
      units.element(0, units.index().broadcast_offset(units.input(), units.output(), "i")));
}

Units slice_units(const Graph& graph, const Node& node) {
  const std::vector<SliceAxis> axes = slice_of(context_of(graph, node));
  if (axes.empty() || axes.back().step != 1) return {graph, node, 1};
  return {graph, node, std::gcd(axes.back().start, last_step(graph, node.inputs[0]))};
}

ElementText slice_text(const Graph& graph, const Node& node, const Units& units) {
  const std::vector<SliceAxis> axes = slice_of(context_of(graph, node));
  std::string offset = "0";
  for (size_t axis = 0; axis < axes.size(); ++axis) {
    const std::string moved = times(units.index().coordinate(units.output(), axis, "i"),
                                    fmt::format("({})", axes[axis].step));
    const int64_t start = units.along(axis, axes.size(), axes[axis].start);
    const std::string at = axes[axis].step == 1 && start == 0
                               ? units.index().coordinate(units.output(), axis, "i")
                               : fmt::format("({} + {})", moved, start);
    offset = plus(offset, times(at, units.index().stride(units.input(), axis)));
  }
  return units.text(units.element(0, offset));
}

Units pad_units(const Graph& graph, const Node& node) {
  const std::vector<PadAxis> pads = pads_of(context_of(graph, node));
  if (pads.empty() || has_input(node, 2)) return {graph, node, 1};  // whose value has one element
  return {graph, node, std::gcd(pads.back().before, last_step(graph, node.inputs[0]))};
}

ElementText pad_text(const Graph& graph, const Node& node, const Units& units) {
  const std::vector<PadAxis> pads = pads_of(context_of(graph, node));
  const Dims from = units.input();
  std::string offset = "0";
  std::string inside = "true";
  for (size_t axis = 0; axis < pads.size(); ++axis) {
    const int64_t before = units.along(axis, pads.size(), pads[axis].before);
    const std::string at = units.index().coordinate(units.output(), axis, "i");
    const std::string shifted = before == 0 ? at : fmt::format("({} - {})", at, before);
    offset = plus(offset, times(shifted, units.index().stride(from, axis)));
    if (pads[axis].before + pads[axis].after == 0) continue;
    inside += fmt::format(" && {0} >= 0 && {0} < {1}", shifted, units.index().extent(from[axis]));
  }
  const std::string fill = has_input(node, 2) ? units.element(2, "0") : "Y()";
  return units.text(fmt::format("{} ? {} : {}", inside, units.element(0, offset), fill));
}

Units concat_units(const Graph& graph, const Node& node) {
  int64_t step = 0;
  for (const ValueId input : node.inputs) step = std::gcd(step, last_step(graph, input));
  return {graph, node, step};
}

ElementText concat_text(const Graph& /*graph*/, const Node& node, const Units& units) {
  const Dims to = units.output();
  const size_t joined = axis_of(node, to.size());
  std::string value;
  int64_t begin = 0;
  for (size_t input = 0; input < node.inputs.size(); ++input) {
    const Dims from = units.input(input);
    std::string offset = "0";
    for (size_t axis = 0; axis < to.size(); ++axis) {
      std::string at = units.index().coordinate(to, axis, "i");
      if (axis == joined && begin != 0) at = fmt::format("({} - {})", at, begin);
      offset = plus(offset, times(at, units.index().stride(from, axis)));
    }
    if (input + 1 < node.inputs.size()) {
      begin += from[joined].size();
      value += fmt::format("{} < {} ? ", units.index().coordinate(to, joined, "i"), begin);
    }
    value += units.element(input, offset);
    if (input + 1 < node.inputs.size()) value += " : ";
  }
  return units.text(value);
}

KernelSource shape_text(const NodeSite& site) {
  const IndexText index(symbols_of(site.graph, site.node));
  const Dims extents = known_extents(site.graph, site.node.outputs.at(0)).value();
  std::string value = "0";
  for (size_t i = 0; i < extents.size(); ++i) {
    value = fmt::format("i == {} ? (int64_t){} : {}", i, index.extent(extents[i]), value);
  }
  const Dims& dims = site.graph.value(site.node.outputs[0]).dims;
  return element_source(site, {dims, "int64_t", value});
}

const Tensor& value_of(const Node& node) {
  return std::get<Tensor>(node.attributes.find("value")->second);
}

KernelSource constant_text(const NodeSite& site) {
  const Value& y = site.graph.value(site.node.outputs.at(0));
  const std::string type = bits_name(size_of(y.dtype));
  return element_source(site, {y.dims, type, element_text(1, type, "i")}, 1);
}

std::unique_ptr<runtime::Kernel> load_output(const Device& device, const Graph& graph,
                                             const Node& node, const KernelChoice& choice) {
  GenericLaunch launch = element_launch(graph, node, graph.value(node.outputs.at(0)).dims);
  if (node.is("Constant")) launch.held.push_back(to_device(device, value_of(node)));
  return load_generic(device, graph, node, choice, std::move(launch));
}

}  // namespace

std::vector<KernelEntry> movement_kernels() {
  return {
      Movement<transpose_units, transpose_text>::entry("generic.Transpose", "Transpose"),
      Movement<expand_units, expand_text>::entry("generic.Expand", "Expand"),
      Movement<slice_units, slice_text>::entry("generic.Slice", "Slice"),
      Movement<pad_units, pad_text>::entry("generic.Pad", "Pad"),
      Movement<concat_units, concat_text>::entry("generic.Concat", "Concat"),
      generic_entry<shape_text, load_output>("generic.Shape", "Shape"),
      generic_entry<constant_text, load_output>("generic.Constant", "Constant"),
  };
}

}  // namespace octet::cuda
