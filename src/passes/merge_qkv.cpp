#include <algorithm>
#include <array>
#include <cstring>

#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "tensor/codecs.h"

namespace octet::passes {
namespace {

constexpr size_t kX = 0;
constexpr size_t kWeight = 1;
constexpr size_t kWeightScale = 2;
constexpr size_t kBias = 3;
constexpr size_t kResidual = 4;

/// The products behind q, k and v.
using Products = std::array<const Node*, 3>;

ValueId input_of(const Node& node, size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : kNoValue;
}

/// A constant's dtype, its rank, or that it is left out: what must be the same to stand side by
/// side.
bool same_sort(const Graph& graph, const Node& a, const Node& b, size_t index) {
  const ValueId left = input_of(a, index);
  const ValueId right = input_of(b, index);
  if (left == kNoValue || right == kNoValue) return left == right;
  return graph.value(left).dtype == graph.value(right).dtype;
}

bool can_stand_beside(const Graph& graph, const Node& a, const Node& b) {
  const std::array<size_t, 3> constants{kWeight, kWeightScale, kBias};
  return a.inputs[kX] == b.inputs[kX] && a.number("x_scale", 1.0F) == b.number("x_scale", 1.0F) &&
         a.text("steps", "") == b.text("steps", "") &&
         a.text("out_dtype", "") == b.text("out_dtype", "") &&
         graph.value(a.inputs[kWeight]).dims == graph.value(b.inputs[kWeight]).dims &&
         std::ranges::all_of(constants,
                             [&](size_t index) { return same_sort(graph, a, b, index); });
}

/// A product that only this attention reads and that nothing follows.
const Node* plain_product(const Graph& graph, ValueId operand) {
  const Node* linear = made_by(graph, operand, "Linear", kOctetDomain);
  if (linear == nullptr || !graph.sole_consumer(operand)) return nullptr;
  const bool plain = linear->text("activation", "none") == "none" &&
                     input_of(*linear, kResidual) == kNoValue &&
                     !linear->attributes.contains("sections");
  return plain ? linear : nullptr;
}

std::optional<Products> match(const Graph& graph, const Node& attention) {
  const bool separate = attention.is("Attention", kOctetDomain) &&
                        attention.integer("packed_qkv", 0) == 0 &&
                        attention.integer("pooled_query", 0) == 0;
  if (!separate) return std::nullopt;
  Products products{};
  for (size_t i = 0; i < products.size(); ++i) {
    products[i] = plain_product(graph, attention.inputs[i]);
    if (products[i] == nullptr || !can_stand_beside(graph, *products[0], *products[i])) {
      return std::nullopt;
    }
  }
  return products;
}

/// Rows of constant input `index` of all three, side by side: [K, N] to [K, 3 N], [N] to [3 N].
Tensor side_by_side(const Graph& graph, const Products& products, size_t index) {
  const Tensor& first = *graph.value(products[0]->inputs[index]).constant;
  Shape shape = first.shape();
  shape.back() *= std::ssize(products);
  Tensor result(first.dtype(), shape);
  const auto row_bytes = static_cast<size_t>(first.shape().back()) * size_of(first.dtype());
  std::byte* target = result.mutable_bytes().data();
  for (size_t begin = 0; begin < first.size_bytes(); begin += row_bytes) {
    for (const Node* product : products) {
      const Tensor& part = *graph.value(product->inputs[index]).constant;
      std::memcpy(target, part.bytes().data() + begin, row_bytes);
      target += row_bytes;
    }
  }
  return result;
}

/// One scale when all three share it, else one for each column.
Tensor merged_scale(const Graph& graph, const Products& products) {
  std::vector<float> scales;
  bool same = true;
  for (const Node* product : products) {
    const Tensor& scale = *graph.value(product->inputs[kWeightScale]).constant;
    const int64_t columns = graph.value(product->inputs[kWeight]).dims[1].size();
    same = same && scale.count() == 1 &&
           (scales.empty() || element_as_f32(scale, 0) == scales.front());
    for (int64_t column = 0; column < columns; ++column) {
      scales.push_back(element_as_f32(scale, scale.count() == 1 ? 0 : column));
    }
  }
  if (same) return Tensor::scalar(scales.front());
  return Tensor::from<float>({std::ssize(scales)}, scales);
}

/// Number attribute `key` of the three: one number when they share it, else a list.
void merge_number(const Products& products, const std::string& key, Attributes& attributes) {
  if (!attributes.contains(key)) return;
  std::vector<float> values;
  for (const Node* product : products) values.push_back(product->number(key, 1.0F));
  const bool same = std::ranges::count(values, values.front()) == std::ssize(values);
  attributes[key] = same ? Attribute(values.front()) : Attribute(values);
}

Node merged_product(const Graph& graph, Patch& patch, const Node& attention,
                    const Products& products, ValueId output) {
  const Node& first = *products[0];
  Node node{attention.name + ".qkv_proj", first.domain, first.op, {}, {output}, first.attributes};
  node.inputs = {first.inputs[kX],
                 patch.add_constant(node.name + ".weight", side_by_side(graph, products, kWeight)),
                 kNoValue, kNoValue, kNoValue};
  if (input_of(first, kWeightScale) != kNoValue) {
    node.inputs[kWeightScale] =
        patch.add_constant(node.name + ".weight_scale", merged_scale(graph, products));
  }
  if (input_of(first, kBias) != kNoValue) {
    node.inputs[kBias] =
        patch.add_constant(node.name + ".bias", side_by_side(graph, products, kBias));
  }
  const int64_t columns = graph.value(first.inputs[kWeight]).dims[1].size();
  node.attributes["sections"] = std::vector<int64_t>(products.size(), columns);
  merge_number(products, "alpha", node.attributes);
  merge_number(products, "y_scale", node.attributes);
  return node;
}

void rewrite(Graph& graph, NodeId id, const Products& products) {
  Node attention = graph.node(id);
  const Value& q = graph.value(attention.inputs[0]);
  Dims dims = q.dims;
  dims.back() = dims.back().size() * std::ssize(products);
  Patch patch(graph);
  const ValueId packed = patch.add_value(attention.name + ".qkv_proj", q.dtype, dims);
  patch.add_node(merged_product(graph, patch, attention, products, packed));
  const Value& value = graph.value(attention.outputs[0]);
  const ValueId output = patch.add_value(value.name + "/fused", value.dtype, value.dims);
  patch.remove_node(id);
  patch.replace(attention.outputs[0], output);
  attention.inputs[0] = packed;
  attention.inputs[1] = attention.inputs[2] = kNoValue;
  attention.outputs = {output};
  attention.attributes["packed_qkv"] = int64_t{1};
  patch.add_node(std::move(attention));
  patch.apply();
}

}  // namespace

/// Three octet.Linear that read the same rows and make q, k and v of one octet.Attention → one
/// octet.Linear with three sections; the attention takes its output as it is. Exact: every column
/// is computed as before.
bool merge_qkv(Graph& graph) {
  bool changed = false;
  for (const NodeId id : std::vector<NodeId>(graph.order())) {
    if (!graph.is_live(id)) continue;
    if (const auto products = match(graph, graph.node(id))) {
      rewrite(graph, id, *products);
      changed = true;
    }
  }
  return changed;
}

}  // namespace octet::passes
