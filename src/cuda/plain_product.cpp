// Matrix products that no tensor-core kernel takes: MatMul, Gemm and Conv as they stand in a file,
// octet.Linear and octet.PatchEmbedding in other dtypes or of odd widths.
#include "cuda/generated.h"
#include "cuda/qkv_layout.h"
#include "ops/ops.h"
#include "ops/parameters.h"

namespace octet::cuda {
namespace {

using runtime::KernelChoice;

constexpr int64_t kTile = 64;  // as in kernels/plain_product.cu
constexpr const char* kEntry = "plain_product";

/// What is multiplied: extents, and the operands' elements as text of matrix, row, column and k.
struct Product {
  Dims matrices;
  Dims rows;
  Dims columns;
  Dims depth;
  std::string left;
  std::string right;
  std::string result = "sum";
  std::string target;
};

KernelSource product_source(const NodeSite& site, const Product& product) {
  const IndexText index(symbols_of(site.graph, site.node));
  const DType y = site.graph.value(site.node.outputs.at(0)).dtype;
  return generic_source(site, "plain_product.cu", kEntry,
                        {{"Y", element_name(y)},
                         {"OUTPUT", std::to_string(site.node.inputs.size())},
                         {"MATRICES", index.count(product.matrices)},
                         {"ROWS", index.count(product.rows)},
                         {"COLUMNS", index.count(product.columns)},
                         {"DEPTH", index.count(product.depth)},
                         {"LEFT", product.left},
                         {"RIGHT", product.right},
                         {"RESULT", product.result},
                         {"TARGET", product.target}});
}

template <Product (*product_of)(const Graph&, const Node&)>
struct PlainProduct {
  static KernelSource text(const NodeSite& site) {
    return product_source(site, product_of(site.graph, site.node));
  }
  static std::unique_ptr<runtime::Kernel> load(const Device& device, const Graph& graph,
                                               const Node& node, const KernelChoice& choice) {
    const Product product = product_of(graph, node);
    const std::vector<SymbolPlace> places = symbols_of(graph, node);
    const auto tiles =
        [matrices = count_of(places, product.matrices), rows = count_of(places, product.rows),
         columns = count_of(places, product.columns)](std::span<const int64_t> sizes) {
          return matrices(sizes) * ((rows(sizes) + kTile - 1) / kTile) *
                 ((columns(sizes) + kTile - 1) / kTile);
        };
    return load_generic(device, graph, node, choice, {kEntry, 256, tiles});
  }
  static KernelEntry entry(std::string_view name, std::string_view op,
                           std::string_view domain = "") {
    return generic_entry<text, load>(name, op, domain);
  }
};

const Dims& dims_of(const Graph& graph, const Node& node, size_t input) {
  return graph.value(node.inputs.at(input)).dims;
}

const Dims& out_dims(const Graph& graph, const Node& node) {
  return graph.value(node.outputs.at(0)).dims;
}

/// All axes but the last `count`.
Dims without_last(const Dims& dims, int64_t count) {
  return {dims.begin(), dims.end() - count};
}

/// Where matrix `matrix` of the output has its operand `dims`, in elements.
std::string matrix_offset(const IndexText& index, const Dims& dims, const Dims& out) {
  const std::string matrices =
      index.broadcast_offset(without_last(dims, 2), without_last(out, 2), "matrix");
  if (matrices == "0") return "0";
  return times("(" + matrices + ")", index.count(std::span(dims).last(2)));
}

Product matmul(const Graph& graph, const Node& node) {
  const IndexText index(symbols_of(graph, node));
  const Dims& a = dims_of(graph, node, 0);
  const Dims& b = dims_of(graph, node, 1);
  const Dims& y = out_dims(graph, node);
  const std::string columns = index.extent(y.back());
  Product product{without_last(y, 2), {y[y.size() - 2]}, {y.back()}, {a.back()}, "", "", "sum", ""};
  product.left =
      wide_text(graph, node, 0,
                plus(plus(matrix_offset(index, a, y), times("row", index.extent(a.back()))), "k"));
  product.right = wide_text(graph, node, 1,
                            plus(plus(matrix_offset(index, b, y), times("k", columns)), "column"));
  product.target =
      plus(times(plus(times("(matrix", index.extent(y[y.size() - 2])), "row)"), columns), "column");
  return product;
}

/// Element [row, column] of a matrix, or of its transpose.
std::string matrix_element(const IndexText& index, const Graph& graph, const Node& node,
                           size_t input, const std::string& row, const std::string& column) {
  const Dims& dims = dims_of(graph, node, input);
  return wide_text(graph, node, input, plus(times(row, index.extent(dims[1])), column));
}

Product gemm(const Graph& graph, const Node& node) {
  const IndexText index(symbols_of(graph, node));
  const Dims& y = out_dims(graph, node);
  const bool flip_a = node.integer("transA", 0) != 0;
  const bool flip_b = node.integer("transB", 0) != 0;
  Product product{{}, {y[0]}, {y[1]}, {dims_of(graph, node, 0)[flip_a ? 0 : 1]}, "", "", "", ""};
  product.left = flip_a ? matrix_element(index, graph, node, 0, "k", "row")
                        : matrix_element(index, graph, node, 0, "row", "k");
  product.right = flip_b ? matrix_element(index, graph, node, 1, "column", "k")
                         : matrix_element(index, graph, node, 1, "k", "column");
  product.target = plus(times("row", index.extent(y[1])), "column");
  product.result = times(number_text(node.number("alpha", 1.0F)), "sum");
  if (!has_input(node, 2)) return product;
  const std::string shift =
      index.broadcast_offset(dims_of(graph, node, 2), y, "(" + product.target + ")");
  product.result = plus(product.result, times(number_text(node.number("beta", 1.0F)),
                                              wide_text(graph, node, 2, shift)));
  return product;
}

/// Where patches lie in images: Conv's window, or a patch embedding's.
struct PatchGrid {
  ConvWindow window;
  Dim across;  ///< patches along the width
};

/// Element k of patch `patch` of image `matrix`; zero outside the image.
std::string patch_element(const Graph& graph, const Node& node, const PatchGrid& grid,
                          const std::string& patch) {
  const IndexText index(symbols_of(graph, node));
  const Dims& image = dims_of(graph, node, 0);
  const ConvWindow& window = grid.window;
  const std::string across = index.extent(grid.across);
  const std::string y =
      fmt::format("({} / {} * {} - {} + k / {} % {})", patch, across, window.stride[0],
                  window.pad_before[0], window.kernel[1], window.kernel[0]);
  const std::string x = fmt::format("({} % {} * {} - {} + k % {})", patch, across, window.stride[1],
                                    window.pad_before[1], window.kernel[1]);
  const std::string height = index.extent(image[2]);
  const std::string width = index.extent(image[3]);
  const std::string offset =
      fmt::format("((matrix * {} + k / {}) * {} + {}) * {} + {}", index.extent(image[1]),
                  window.kernel[0] * window.kernel[1], height, y, width, x);
  return fmt::format("({0} >= 0 && {0} < {1} && {2} >= 0 && {2} < {3} ? {4} : 0.f)", y, height, x,
                     width, wide_text(graph, node, 0, offset));
}

Product conv(const Graph& graph, const Node& node) {
  const IndexText index(symbols_of(graph, node));
  const Dims& w = dims_of(graph, node, 1);
  const Dims& y = out_dims(graph, node);
  Product product{{y[0]}, {y[2], y[3]}, {y[1]}, {w[1], w[2], w[3]}, "", "", "sum", ""};
  product.left = patch_element(graph, node, {conv_window_of(context_of(graph, node)), y[3]}, "row");
  product.right = wide_text(graph, node, 1, plus(times("column", index.count(product.depth)), "k"));
  if (has_input(node, 2)) product.result = plus("sum", wide_text(graph, node, 2, "column"));
  product.target = fmt::format("(matrix * {} + column) * ({}) + row", index.extent(y[1]),
                               index.count(product.rows));
  return product;
}

std::string rounded_step(const Node& node, const std::string& value) {
  return rounds_steps(node) ? fmt::format("round_f16({})", value) : value;
}

Product patch_embedding(const Graph& graph, const Node& node) {
  const IndexText index(symbols_of(graph, node));
  const Dims& y = out_dims(graph, node);
  const int64_t patch = node.integer("patch", 1);
  const int64_t leading = node.integer("leading", 0);
  const PatchGrid grid{{{patch, patch}, {patch, patch}, {}, {}},
                       dims_of(graph, node, 0)[3].size() / patch};
  const std::string columns = index.extent(y[2]);
  const std::string position = wide_text(graph, node, 2, plus(times("row", columns), "column"));
  return {{y[0]},
          {y[1]},
          {y[2]},
          {dims_of(graph, node, 1)[0]},
          fmt::format("(row < {} ? 0.f : {})", leading,
                      patch_element(graph, node, grid, fmt::format("(row - {})", leading))),
          wide_text(graph, node, 1, plus(times("k", columns), "column")),
          plus(rounded_step(node, "sum"), position),
          fmt::format("(matrix * {} + row) * {} + column", index.extent(y[1]), columns)};
}

/// A number of the section that `column` lies in.
std::string section_number(const std::vector<LinearSection>& sections,
                           float LinearSection::*number) {
  std::string text = number_text(sections.back().*number);
  for (size_t i = sections.size() - 1; i-- > 0;) {
    text = fmt::format("(column < {} ? {} : {})", sections[i].end, number_text(sections[i].*number),
                       text);
  }
  return text;
}

std::string activated(const Node& node, const std::string& value) {
  const std::string name = node.text("activation", "none");
  if (name == "none") return value;
  const bool in_f16 = name == "quick_gelu" && rounds_steps(node);
  return rounded_step(node, fmt::format("{}{}({})", name, in_f16 ? "_in_f16" : "", value));
}

Product linear(const Graph& graph, const Node& node) {
  const IndexText index(symbols_of(graph, node));
  const Dims& x = dims_of(graph, node, 0);
  const Dims& w = dims_of(graph, node, 1);
  const std::string columns = index.extent(w[1]);
  const std::vector<LinearSection> sections = linear_sections(context_of(graph, node), w[1].size());
  Product product{{}, without_last(x, 1), {w[1]}, {w[0]}, "", "", "", ""};
  product.left = wide_text(graph, node, 0, plus(times("row", index.extent(w[0])), "k"));
  product.right = wide_text(graph, node, 1, plus(times("k", columns), "column"));
  product.target = plus(times("row", columns), "column");
  std::string value = number_text(node.number("x_scale", 1.0F));
  if (has_input(node, 2)) {
    value =
        times(value, wide_text(graph, node, 2, dims_of(graph, node, 2).empty() ? "0" : "column"));
  }
  value = rounded_step(node, times(value, "sum"));
  if (has_input(node, 3)) {
    value = rounded_step(node, plus(value, wide_text(graph, node, 3, "column")));
  }
  value = rounded_step(
      node, fmt::format("{} * ({})", section_number(sections, &LinearSection::alpha), value));
  value = activated(node, value);
  if (has_input(node, 4)) {
    value = rounded_step(node, plus(value, wide_text(graph, node, 4, product.target)));
  }
  if (graph.value(node.outputs.at(0)).dtype == DType::f8e4m3) {
    value = fmt::format("({}) / {}", value, section_number(sections, &LinearSection::y_scale));
  }
  product.result = value;
  return product;
}

/// The attention kernels read V transposed from the product that makes it; this one stores rows.
Refusal refuse_linear(const Device& device, const Graph& graph, const Node& node) {
  if (first_transposed_column(device, graph, node) >= 0) {
    return "the attention behind it takes V transposed";
  }
  return refuse_generic(graph, node);
}

KernelEntry linear_entry() {
  KernelEntry entry = PlainProduct<linear>::entry("generic.Linear", "Linear", kOctetDomain);
  entry.refuse = refuse_linear;
  return entry;
}

}  // namespace

std::vector<KernelEntry> product_kernels() {
  return {
      PlainProduct<matmul>::entry("generic.MatMul", "MatMul"),
      PlainProduct<gemm>::entry("generic.Gemm", "Gemm"),
      PlainProduct<conv>::entry("generic.Conv", "Conv"),
      linear_entry(),
      PlainProduct<patch_embedding>::entry("generic.PatchEmbedding", "PatchEmbedding",
                                           kOctetDomain),
  };
}

}  // namespace octet::cuda
