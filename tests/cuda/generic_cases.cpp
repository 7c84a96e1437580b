#include "tests/cuda/generic_cases.h"

#include <algorithm>

#include "ops/ops.h"

namespace octet::cuda {
namespace {

struct Feed {
  DType dtype = DType::f32;
  Dims dims;
  std::vector<int64_t> integers;  ///< of a constant
  bool absent = false;
};

Feed constant(std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return {DType::i64, {count}, std::move(values)};
}

Feed absent() {
  return {DType::f32, {}, {}, true};
}

ValueId add_feed(Graph& graph, const Feed& feed, size_t index) {
  const std::string name = fmt::format("input_{}", index);
  if (feed.absent) return kNoValue;
  if (feed.integers.empty()) return graph.add_input(name, feed.dtype, feed.dims);
  return graph.add_constant(name, Tensor::from<int64_t>(*to_shape(feed.dims), feed.integers));
}

/// Collects cases; `add` gives the words from the node.
class Cases {
 public:
  void add(const std::string& op, const std::vector<Feed>& feeds, Attributes attributes = {},
           const std::string& domain = "") {
    Graph graph("case");
    Node node{"node", domain, op, {}, {}, std::move(attributes)};
    std::string words = op;
    for (size_t i = 0; i < feeds.size(); ++i) {
      node.inputs.push_back(add_feed(graph, feeds[i], i));
      if (feeds[i].absent) continue;
      words += fmt::format(" {} {}", name_of(feeds[i].dtype), to_string(feeds[i].dims));
    }
    node.outputs = {graph.add_value("output")};
    const ValueId output = node.outputs.front();
    graph.add_node(std::move(node));
    graph.set_outputs({output});
    infer_types(graph);
    cases_.push_back({std::move(words), std::move(graph)});
  }
  std::vector<GenericCase> take() { return std::move(cases_); }

 private:
  std::vector<GenericCase> cases_;
};

constexpr std::array kFloats{DType::f32, DType::f16, DType::bf16};

void add_elementwise(Cases& cases) {
  for (const DType dtype : kFloats) {
    for (const char* op : {"Sigmoid", "Tanh", "Erf", "Exp", "Sqrt", "Gelu"}) {
      cases.add(op, {{dtype, {"batch", 7, 24}}});
    }
    cases.add("Gelu", {{dtype, {5}}}, {{"approximate", "tanh"}});
    cases.add("QuickGelu", {{dtype, {"batch", 24}}}, {}, std::string(kOctetDomain));
    cases.add("Pow", {{dtype, {"batch", 24}}, {dtype, {}}});
  }
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32}) {
    for (const char* op : {"Add", "Sub", "Mul", "Div", "Equal"}) {
      cases.add(op, {{dtype, {"batch", 1, 5, 3}}, {dtype, {7, 1, 3}}});
      cases.add(op, {{dtype, {"batch", 5}}, {dtype, {"batch", 5}}});
    }
    cases.add("Where", {{DType::boolean, {"batch", 1}}, {dtype, {}}, {dtype, {"batch", 9}}});
  }
  cases.add("Equal", {{DType::boolean, {3}}, {DType::boolean, {1}}});
  constexpr std::array kCastable{DType::f32, DType::f16, DType::bf16,   DType::f8e4m3,
                                 DType::i64, DType::i32, DType::boolean};
  for (const DType from : kCastable) {
    for (const DType to : kCastable) {
      cases.add("Cast", {{from, {"batch", 3}}}, {{"to", onnx_code_of(to)}});
    }
  }
  const int64_t e4m3 = onnx_code_of(DType::f8e4m3);
  for (const DType dtype : kFloats) {
    for (const Dims& scale : {Dims{}, Dims{12}}) {
      cases.add("QuantizeLinear", {{dtype, {"batch", 12, 5}}, {dtype, scale}},
                {{"output_dtype", e4m3}, {"axis", int64_t{1}}});
      cases.add("DequantizeLinear", {{DType::f8e4m3, {"batch", 5, 12}}, {dtype, scale}},
                {{"axis", int64_t{-1}}});
    }
  }
}

void add_movement(Cases& cases) {
  using Integers = std::vector<int64_t>;
  for (const DType dtype : {DType::f16, DType::f8e4m3, DType::i64}) {
    const Dims dims{"batch", 6, 4, 64};
    cases.add("Transpose", {{dtype, dims}}, {{"perm", Integers{0, 2, 1, 3}}});
    cases.add("Transpose", {{dtype, dims}}, {{"perm", Integers{1, 0, 3, 2}}});
    cases.add("Expand", {{dtype, {6, 1, 64}}, constant({6, 5, 64})});
    cases.add("Expand", {{dtype, {"batch", 1}}, constant({1, 7})});
    cases.add("Slice", {{dtype, dims}, constant({1, 8}), constant({5, 40}), constant({1, 3})});
    cases.add("Slice",
              {{dtype, {7}}, constant({-1}), constant({-8}), constant({0}), constant({-2})});
    cases.add("Pad", {{dtype, dims}, constant({0, 1, 0, 0, 0, 0, 2, 0})});
    cases.add("Pad", {{dtype, {"batch", 3}}, constant({0, 1, 0, 2}), {dtype, {}}});
    cases.add("Concat", {{dtype, dims}, {dtype, {"batch", 6, 4, 8}}}, {{"axis", int64_t{-1}}});
    cases.add("Concat", {{dtype, {1, 8}}, {dtype, {5, 8}}, {dtype, {2, 8}}},
              {{"axis", int64_t{0}}});
  }
  cases.add("Shape", {{DType::f32, {"batch", 3, 5}}});
  cases.add("Constant", {}, {{"value", Tensor(DType::f16, {3, 5})}});
}

void add_lookup(Cases& cases) {
  const Feed ids{DType::i64, {"batch", 5}, {}};
  for (const DType dtype : {DType::f16, DType::f32, DType::i64}) {
    cases.add("Gather", {{dtype, {100, 64}}, ids});
    cases.add("Gather", {{dtype, {"batch", 7, 3}}, {DType::i32, {2}}}, {{"axis", int64_t{-1}}});
    cases.add("Gather", {{dtype, {"batch", 7, 3}}, {DType::i64, {}}}, {{"axis", int64_t{1}}});
    cases.add("GatherND", {{dtype, {"batch", 77, 64}}, {DType::i64, {"batch", 1}}},
              {{"batch_dims", int64_t{1}}});
    cases.add("GatherND", {{dtype, {5, 7}}, {DType::i64, {"batch", 3, 2}}});
  }
  for (const DType dtype : {DType::f16, DType::f32}) {
    cases.add("Embedding", {ids, {dtype, {100, 13}}, {dtype, {9, 13}}}, {},
              std::string(kOctetDomain));
    cases.add("PoolLast", {{dtype, {"batch", 13}}, {DType::i32, {"batch", 2}}}, {},
              std::string(kOctetDomain));
  }
}

void add_reductions(Cases& cases) {
  using Integers = std::vector<int64_t>;
  for (const DType dtype : kFloats) {
    cases.add("Softmax", {{dtype, {"batch", 5, 77}}});
    cases.add("Softmax", {{dtype, {"batch", 5, 2000}}}, {{"axis", int64_t{-1}}});
    cases.add("Softmax", {{dtype, {"batch", 5, 7}}}, {{"axis", int64_t{1}}});
    cases.add("ReduceMean", {{dtype, {"batch", 4, 5, 6}}, constant({1, 3})});
    cases.add("ReduceMean", {{dtype, {"batch", 4}}}, {{"keepdims", int64_t{0}}});
    cases.add("ReduceMean", {{dtype, {3, 5000}}}, {{"axes", Integers{-1}}});
    cases.add("LayerNormalization", {{dtype, {"batch", 77, 13}}, {dtype, {13}}, {dtype, {13}}});
    cases.add("LayerNormalization", {{dtype, {"batch", 4096}}, {dtype, {4096}}});
  }
  for (const DType dtype : {DType::f32, DType::f16, DType::i64, DType::i32}) {
    cases.add("ArgMax", {{dtype, {"batch", 77}}}, {{"axis", int64_t{-1}}});
    cases.add("ArgMax", {{dtype, {"batch", 7, 3}}}, {{"axis", int64_t{1}}});
  }
  const std::string domain(kOctetDomain);
  for (const DType dtype : {DType::f32, DType::f16}) {
    cases.add("FakeQuantizeRows", {{dtype, {"batch", 13}}}, {}, domain);
    cases.add("LayerNorm", {{dtype, {"batch", 13}}, {DType::f32, {13}}},
              {{"out_dtype", "f8e4m3"}, {"y_scale", 0.5F}, {"steps", "f16"}}, domain);
  }
}

void add_products(Cases& cases) {
  using Integers = std::vector<int64_t>;
  const std::string domain(kOctetDomain);
  for (const DType dtype : kFloats) {
    cases.add("MatMul", {{dtype, {"batch", 4, 50, 33}}, {dtype, {"batch", 4, 33, 50}}});
    cases.add("MatMul", {{dtype, {"batch", 7, 64}}, {dtype, {64, 100}}});
    cases.add("MatMul", {{dtype, {5, 7}}, {dtype, {3, 1, 7, "batch"}}});
    cases.add("Gemm", {{dtype, {"batch", 64}}, {dtype, {100, 64}}, {dtype, {100}}},
              {{"transB", int64_t{1}}, {"alpha", 0.5F}, {"beta", 2.0F}});
    cases.add("Gemm", {{dtype, {64, "batch"}}, {dtype, {64, 3}}}, {{"transA", int64_t{1}}});
    cases.add("Conv", {{dtype, {"batch", 3, 15, 17}}, {dtype, {8, 3, 4, 3}}, {dtype, {8}}},
              {{"strides", Integers{2, 3}}, {"pads", Integers{1, 0, 2, 1}}});
  }
  for (const DType dtype : {DType::f32, DType::f16}) {
    const Feed wide{dtype, {"batch", 5, 30}};
    cases.add("Linear", {wide, {DType::bf16, {30, 20}}}, {}, domain);
    cases.add("Linear",
              {wide, {dtype, {30, 20}}, absent(), {dtype, {20}}, {dtype, {"batch", 5, 20}}},
              {{"activation", "quick_gelu"}, {"steps", "f16"}}, domain);
    cases.add("Linear",
              {{DType::f8e4m3, {"batch", 30}}, {DType::f8e4m3, {30, 20}}, {DType::f32, {20}}},
              {{"activation", "gelu_tanh"},
               {"x_scale", 0.25F},
               {"sections", Integers{5, 15}},
               {"alpha", std::vector<float>{0.5F, 1.0F}},
               {"y_scale", std::vector<float>{0.1F, 0.2F}},
               {"out_dtype", "f8e4m3"}},
              domain);
    cases.add("PatchEmbedding",
              {{dtype, {"batch", 3, 14, 21}}, {dtype, {147, 20}}, {dtype, {7, 20}}},
              {{"patch", int64_t{7}}, {"leading", int64_t{1}}, {"steps", "f16"}}, domain);
    const Feed rows{dtype, {"batch", 11, 36}};
    cases.add("Attention", {rows, rows, rows}, {{"heads", int64_t{3}}, {"causal", int64_t{1}}},
              domain);
    cases.add("Attention", {{dtype, {"batch", 11, 108}}, absent(), absent()},
              {{"heads", int64_t{3}}, {"packed_qkv", int64_t{1}}, {"softmax_scale", 0.002F}},
              domain);
    cases.add("Attention",
              {{dtype, {"rows", 36}},
               {dtype, {"rows", 36}},
               {dtype, {"rows", 36}},
               {DType::i32, {"batch", 2}}},
              {{"heads", int64_t{2}}, {"steps", "f16"}}, domain);
  }
}

}  // namespace

std::vector<GenericCase> generic_cases() {
  Cases cases;
  add_elementwise(cases);
  add_movement(cases);
  add_lookup(cases);
  add_reductions(cases);
  add_products(cases);
  return cases.take();
}

}  // namespace octet::cuda
