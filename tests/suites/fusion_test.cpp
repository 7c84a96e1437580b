#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tensor/metrics.h"
#include "tests/suites/chain.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

// Pieces of a tower as a model writes them, operator by operator. A backend may fuse them; what it
// computes must be what the plain graph computes, every rounding of FP16 included.
OCTET_SUITE(Fusion);

constexpr int64_t kBatch = 3;
constexpr int64_t kRows = 19;
constexpr int64_t kWidth = 48;

Array input_rows(DType dtype) {
  return random_array(dtype, {kBatch, kRows, kWidth}, 1);
}

Chain rows_chain(DType dtype) {
  return Chain(dtype, {"batch", kRows, kWidth});
}

/// MatMul and bias. Weights are small, as trained ones are, so that results stay near 1.
ValueId linear(Chain& chain, ValueId x, DType dtype, const Shape& shape, uint64_t seed) {
  const ValueId weight = chain.constant(random_array(dtype, shape, seed, -0.2, 0.2));
  const ValueId product = chain.add("MatMul", {x, weight});
  return chain.add("Add", {product, chain.constant(random_array(dtype, {shape[1]}, seed + 1))});
}

ValueId split_heads(Chain& chain, ValueId rows, const std::vector<int64_t>& permutation) {
  const ValueId split = chain.add("Reshape", {rows, chain.integers({0, 0, 3, kWidth / 3})});
  return chain.add("Transpose", {split}, {{"perm", permutation}});
}

ValueId quantized(Chain& chain, ValueId x, DType dtype, double scale) {
  const ValueId factor = chain.constant(array_of(dtype, {}, {scale}));
  const ValueId zero = chain.constant(zeros(DType::f8e4m3, {}));
  const ValueId codes = chain.add("QuantizeLinear", {x, factor, zero});
  return chain.add("DequantizeLinear", {codes, factor, zero});
}

/// Where the graph has quantizers. FP32 sums of another order may put a value on the other side of
/// a border between two codes, which moves what follows by up to 1/16.
enum class Quantizers : uint8_t { none, behind, inside };

/// As close as an engine has to be to the graph it was made from.
void expect_same_direction(const Array& result, const Array& exact) {
  const std::vector<float> a(result.values.begin(), result.values.end());
  const std::vector<float> b(exact.values.begin(), exact.values.end());
  EXPECT_GE(compare(a, b).cosine, 0.9999);
}

void expect_few_other_codes(const Array& result, const Array& exact) {
  int64_t different = 0;
  for (int64_t i = 0; i < exact.count(); ++i) different += result[i] == exact[i] ? 0 : 1;
  EXPECT_LE(static_cast<double>(different), 0.02 * static_cast<double>(exact.count()));
}

/// Runs the graph on a backend and, as it stands, with the plain kernels. The backend must have
/// fused it to `fused` of the octet domain when it fuses at all.
void expect_same(const std::string& backend, const Chain& chain, const Array& x,
                 const std::string& fused, Quantizers quantizers = Quantizers::none) {
  Graph graph = chain.graph;
  graph.set_outputs({chain.last});
  Prepared plain("reference", graph, x.extent(0));
  Prepared tested(backend, graph, x.extent(0));
  const Graph& lowered = tested.lowered();
  const bool found = std::ranges::any_of(
      lowered.order(), [&](NodeId id) { return lowered.node(id).is(fused, kOctetDomain); });
  EXPECT_EQ(found, backend != "reference");
  const Array result = tested.run({x}).front();
  const Array exact = plain.run({x}).front();
  expect_same_direction(result, exact);
  if (quantizers == Quantizers::behind) expect_few_other_codes(result, exact);
  if (quantizers != Quantizers::none) return;
  if (exact.dtype == DType::f16) {
    expect_nearly_equal(result, exact, 6);
  } else {
    expect_close(result, exact, 6);
  }
}

TEST_P(Fusion, LinearWithQuickGeluAndResidual) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    Chain chain = rows_chain(dtype);
    const ValueId x = chain.last;
    const ValueId hidden = linear(chain, x, dtype, {kWidth, kWidth}, 2);
    const ValueId factor = chain.constant(array_of(dtype, {}, {1.702}));
    const ValueId inner = chain.add("Mul", {hidden, factor});
    chain.add("Mul", {hidden, chain.add("Sigmoid", {inner})});
    chain.add("Add", {x, chain.last});
    expect_same(GetParam(), chain, input_rows(dtype), "Linear");
  }
}

TEST_P(Fusion, LinearWithGelu) {
  for (const std::string approximate : {"none", "tanh"}) {
    Chain chain = rows_chain(DType::f16);
    linear(chain, chain.last, DType::f16, {kWidth, 2 * kWidth}, 4);
    chain.add("Gelu", {chain.last}, {{"approximate", approximate}});
    expect_same(GetParam(), chain, input_rows(DType::f16), "Linear");
  }
}

TEST_P(Fusion, LinearOnCodes) {
  Chain chain = rows_chain(DType::f16);
  const ValueId x = quantized(chain, chain.last, DType::f16, 0.0023);
  const ValueId codes = chain.constant(random_array(DType::f8e4m3, {kWidth, kWidth}, 6, -448, 448));
  const ValueId scale = chain.constant(array_of(DType::f16, {}, {0.0005}));
  const ValueId weight = chain.add("DequantizeLinear", {codes, scale});
  chain.add("MatMul", {x, weight});
  chain.add("Add", {chain.last, chain.constant(random_array(DType::f16, {kWidth}, 7))});
  chain.last = quantized(chain, chain.last, DType::f16, 0.0041);
  expect_same(GetParam(), chain, input_rows(DType::f16), "Linear", Quantizers::behind);
}

TEST_P(Fusion, LayerNormAndCodes) {
  Chain chain = rows_chain(DType::f16);
  const ValueId gain = chain.constant(random_array(DType::f16, {kWidth}, 8, 0.5, 2));
  const ValueId shift = chain.constant(random_array(DType::f16, {kWidth}, 9));
  chain.add("LayerNormalization", {chain.last, gain, shift}, {{"epsilon", 1e-5F}});
  chain.last = quantized(chain, chain.last, DType::f16, 0.0078);
  expect_same(GetParam(), chain, input_rows(DType::f16), "LayerNorm", Quantizers::behind);
}

/// One attention block; E4M3 between its products when it is quantized.
Chain attention(bool causal, bool codes) {
  constexpr DType kType = DType::f16;
  Chain chain = rows_chain(kType);
  const ValueId x = chain.last;
  const auto coded = [&](ValueId value, double scale) {
    return codes ? quantized(chain, value, kType, scale) : value;
  };
  const ValueId factor = chain.constant(array_of(kType, {}, {0.25}));
  const ValueId scaled = chain.add("Mul", {linear(chain, x, kType, {kWidth, kWidth}, 10), factor});
  const ValueId q = coded(split_heads(chain, scaled, {0, 2, 1, 3}), 0.002);
  const ValueId key = linear(chain, x, kType, {kWidth, kWidth}, 12);
  const ValueId k = coded(split_heads(chain, key, {0, 2, 3, 1}), 0.008);
  const ValueId value = linear(chain, x, kType, {kWidth, kWidth}, 14);
  const ValueId v = coded(split_heads(chain, value, {0, 2, 1, 3}), 0.008);
  ValueId scores = chain.add("MatMul", {q, k});
  if (causal) {
    Array mask = zeros(kType, {1, 1, kRows, kRows});
    for (int64_t i = 0; i < mask.count(); ++i) {
      if (i % kRows > i / kRows) mask[i] = -std::numeric_limits<double>::infinity();
    }
    scores = chain.add("Add", {scores, chain.constant(mask)});
  }
  const ValueId p = coded(chain.add("Softmax", {scores}, {{"axis", int64_t{-1}}}), 1.0 / 448);
  const ValueId mixed = chain.add("MatMul", {p, v});
  const ValueId rows =
      chain.add("Transpose", {mixed}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  chain.add("Reshape", {rows, chain.integers({0, 0, kWidth})});
  return chain;
}

TEST_P(Fusion, Attention) {
  for (const bool causal : {false, true}) {
    expect_same(GetParam(), attention(causal, false), input_rows(DType::f16), "Attention");
  }
}

TEST_P(Fusion, AttentionOnCodes) {
  for (const bool causal : {false, true}) {
    expect_same(GetParam(), attention(causal, true), input_rows(DType::f16), "Attention",
                Quantizers::inside);
  }
}

}  // namespace
}  // namespace octet::suites
