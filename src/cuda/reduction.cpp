// Operators over lines of elements: Softmax, ReduceMean, ArgMax, normalisation of rows of any
// width.
#include <algorithm>
#include <numeric>

#include "cuda/generated.h"
#include "ops/ops.h"
#include "ops/parameters.h"

namespace octet::cuda {
namespace {

using runtime::KernelChoice;

constexpr int64_t kBlock = 256;
/// Longer lines are worked on by a whole block.
constexpr int64_t kMostForAWarp = 1024;

/// How an operator cuts its input 0 into lines: along the reduced axes, one for each index of the
/// others.
struct Lines {
  Dims kept;
  Dims reduced;
  std::string begin = "0";
  std::string offset = "0";
  int64_t threads = 32;
};

Lines lines_of(const Graph& graph, const Node& node, const std::vector<size_t>& axes) {
  const IndexText index(symbols_of(graph, node));
  const Dims& dims = graph.value(node.inputs[0]).dims;
  Lines lines;
  const auto is_reduced = [&](size_t axis) { return std::ranges::count(axes, axis) != 0; };
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    (is_reduced(axis) ? lines.reduced : lines.kept).push_back(dims[axis]);
  }
  size_t next_kept = 0;
  size_t next_reduced = 0;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    const std::string stride = index.stride(dims, axis);
    if (is_reduced(axis)) {
      const std::string at = index.coordinate(lines.reduced, next_reduced++, "j");
      lines.offset = plus(lines.offset, times(at, stride));
    } else {
      const std::string at = index.coordinate(lines.kept, next_kept++, "line");
      lines.begin = plus(lines.begin, times(at, stride));
    }
  }
  const auto extents = to_shape(lines.reduced);
  if (extents && element_count(*extents) > kMostForAWarp) lines.threads = kBlock;
  return lines;
}

KernelSource line_source(const NodeSite& site, const std::string& entry, const Lines& lines,
                         Defines defines = {}) {
  const IndexText index(symbols_of(site.graph, site.node));
  const DType x = site.graph.value(site.node.inputs[0]).dtype;
  defines.insert(defines.end(), {{"X", element_name(x)},
                                 {"OUTPUT", std::to_string(site.node.inputs.size())},
                                 {"LINE_THREADS", std::to_string(lines.threads)},
                                 {"LINES", index.count(lines.kept)},
                                 {"EXTENT", index.count(lines.reduced)},
                                 {"BEGIN", lines.begin},
                                 {"OFFSET", lines.offset}});
  return generic_source(site, entry + ".cu", entry, std::move(defines));
}

std::unique_ptr<runtime::Kernel> load_lines(const Device& device, const Graph& graph,
                                            const Node& node, const KernelChoice& choice,
                                            const std::string& entry, const Lines& lines) {
  const Count count = count_of(symbols_of(graph, node), lines.kept);
  const int64_t a_block = kBlock / lines.threads;
  const auto blocks = [count, a_block](std::span<const int64_t> sizes) {
    return (count(sizes) + a_block - 1) / a_block;
  };
  return load_generic(device, graph, node, choice, {entry, kBlock, blocks});
}

Lines last_axis(const Graph& graph, const Node& node) {
  return lines_of(graph, node, {graph.value(node.inputs[0]).dims.size() - 1});
}

/// Along attribute `axis`.
Lines named_axis(const Graph& graph, const Node& node, int64_t fallback) {
  const int64_t axis = node.integer("axis", fallback);
  const auto rank = std::ssize(graph.value(node.inputs[0]).dims);
  return lines_of(graph, node, {static_cast<size_t>(axis < 0 ? axis + rank : axis)});
}

Lines softmax_lines(const Graph& graph, const Node& node) {
  return named_axis(graph, node, -1);
}

Lines arg_max_lines(const Graph& graph, const Node& node) {
  Lines lines = named_axis(graph, node, 0);
  lines.threads = 32;
  return lines;
}

Lines mean_lines(const Graph& graph, const Node& node) {
  const size_t rank = graph.value(node.inputs[0]).dims.size();
  std::vector<size_t> axes = axes_of(context_of(graph, node), rank);
  if (axes.empty() && node.integer("noop_with_empty_axes", 0) == 0) {
    axes.resize(rank);
    std::iota(axes.begin(), axes.end(), size_t{0});
  }
  return lines_of(graph, node, axes);
}

Defines no_defines(const Graph& /*graph*/, const Node& /*node*/) {
  return {};
}

Defines normalize_defines(const Graph& graph, const Node& node) {
  const DType y = graph.value(node.outputs.at(0)).dtype;
  const float y_scale = y == DType::f8e4m3 ? node.number("y_scale", 1.0F) : 1.0F;
  return {{"Y", element_name(y)},
          {"GAIN", wide_text(graph, node, 1, "j")},
          {"SHIFT", has_input(node, 2) ? wide_text(graph, node, 2, "j") : "0.f"},
          {"EPSILON", number_text(node.number("epsilon", 1e-5F))},
          {"Y_SCALE", number_text(y_scale)},
          {"ROUNDED", rounds_steps(node) ? "1" : "0"}};
}

struct Softmax {
  static constexpr const char* kEntry = "softmax";
  static constexpr auto kLines = softmax_lines;
  static constexpr auto kDefines = no_defines;
};
struct ReduceMean {
  static constexpr const char* kEntry = "reduce_mean";
  static constexpr auto kLines = mean_lines;
  static constexpr auto kDefines = no_defines;
};
struct ArgMax {
  static constexpr const char* kEntry = "arg_max";
  static constexpr auto kLines = arg_max_lines;
  static constexpr auto kDefines = no_defines;
};
struct Normalize {
  static constexpr const char* kEntry = "normalize";
  static constexpr auto kLines = last_axis;
  static constexpr auto kDefines = normalize_defines;
};
struct FakeQuantizeRows {
  static constexpr const char* kEntry = "fake_quantize_rows";
  static constexpr auto kLines = last_axis;
  static constexpr auto kDefines = no_defines;
};

template <typename Kind>
KernelSource text_of(const NodeSite& site) {
  return line_source(site, Kind::kEntry, Kind::kLines(site.graph, site.node),
                     Kind::kDefines(site.graph, site.node));
}

template <typename Kind>
std::unique_ptr<runtime::Kernel> load(const Device& device, const Graph& graph, const Node& node,
                                      const KernelChoice& choice) {
  return load_lines(device, graph, node, choice, Kind::kEntry, Kind::kLines(graph, node));
}

template <typename Kind>
KernelEntry entry(std::string_view name, std::string_view op, std::string_view domain = "") {
  return generic_entry<text_of<Kind>, load<Kind>>(name, op, domain);
}

}  // namespace

std::vector<KernelEntry> reduction_kernels() {
  return {
      entry<Softmax>("generic.Softmax", "Softmax"),
      entry<ReduceMean>("generic.ReduceMean", "ReduceMean"),
      entry<ArgMax>("generic.ArgMax", "ArgMax"),
      entry<Normalize>("generic.LayerNormalization", "LayerNormalization"),
      entry<Normalize>("generic.LayerNorm", "LayerNorm", kOctetDomain),
      entry<FakeQuantizeRows>("generic.FakeQuantizeRows", "FakeQuantizeRows", kOctetDomain),
  };
}

}  // namespace octet::cuda
