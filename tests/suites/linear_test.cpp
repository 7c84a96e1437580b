#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Linear);

/// One octet.Linear: everything that may vary.
struct Case {
  DType x = DType::f32;
  DType w = DType::f32;
  DType out = DType::f32;
  Shape rows;
  int64_t depth = 1;
  int64_t width = 1;
  enum class Scale : uint8_t { none, tensor, columns } scale = Scale::none;
  bool bias = false;
  bool residual = false;
  std::string activation = "none";
  double x_scale = 1;
  double alpha = 1;
  double y_scale = 1;
  bool f16_steps = false;  ///< every step rounded to FP16, as the graph without fusion does

  [[nodiscard]] double step(double value) const {
    return f16_steps ? round_to(DType::f16, value) : value;
  }
};

std::string describe(const Case& c) {
  return fmt::format("x {} w {} out {} rows {} {}x{} scale {} bias {} residual {} {}", name_of(c.x),
                     name_of(c.w), name_of(c.out), to_string(c.rows), c.depth, c.width,
                     static_cast<int>(c.scale), c.bias, c.residual, c.activation);
}

double activate(const Case& c, double x) {
  if (c.activation == "quick_gelu") {
    return c.f16_steps ? naive_quick_gelu_in_f16(x) : naive_quick_gelu(x);
  }
  if (c.activation == "gelu") return naive_gelu(x);
  if (c.activation == "gelu_tanh") return naive_gelu_tanh(x);
  return x;
}

struct Operands {
  Array x;
  Array w;
  Array scale;
  Array bias;
  Array residual;
};

Operands operands_of(const Case& c) {
  Shape x_shape = c.rows;
  x_shape.push_back(c.depth);
  Shape y_shape = c.rows;
  y_shape.push_back(c.width);
  const double range = c.x == DType::f8e4m3 ? 448 : 2;
  const double w_range = c.w == DType::f8e4m3 ? 448 : 1;
  const Shape scale_shape = c.scale == Case::Scale::columns ? Shape{c.width} : Shape{};
  return {random_array(c.x, x_shape, 1, -range, range),
          random_array(c.w, {c.depth, c.width}, 2, -w_range, w_range),
          random_array(DType::f32, scale_shape, 3, 0.0005, 0.002),
          random_array(DType::f16, {c.width}, 4),
          random_array(c.out == DType::f16 ? DType::f16 : DType::f32, y_shape, 5)};
}

Array exact(const Case& c, const Operands& operands) {
  Array x = operands.x;
  x.shape = {x.count() / c.depth, c.depth};
  Array y = product(x, operands.w);
  for (int64_t i = 0; i < y.count(); ++i) {
    const int64_t n = i % c.width;
    double factor = c.x_scale;
    if (c.scale != Case::Scale::none) {
      factor *= operands.scale[c.scale == Case::Scale::columns ? n : 0];
    }
    const double shifted = c.step(c.step(factor * y[i]) + (c.bias ? operands.bias[n] : 0));
    const double active = c.step(activate(c, c.step(c.alpha * shifted)));
    y[i] = c.residual ? c.step(active + operands.residual[i]) : active;
  }
  y.shape = c.rows;
  y.shape.push_back(c.width);
  y.dtype = c.out;
  return c.out == DType::f8e4m3 ? divided(y, c.y_scale) : y;
}

/// The result of a backend and the exact one.
std::pair<Array, Array> solve_case(const std::string& backend, const Case& c) {
  const Operands operands = operands_of(c);
  const Attributes attributes{{"x_scale", static_cast<float>(c.x_scale)},
                              {"alpha", static_cast<float>(c.alpha)},
                              {"activation", c.activation},
                              {"out_dtype", std::string(name_of(c.out))},
                              {"y_scale", static_cast<float>(c.y_scale)},
                              {"steps", std::string(c.f16_steps ? "f16" : "f32")}};
  const bool scaled = c.scale != Case::Scale::none;
  const Problem problem{"octet",
                        "Linear",
                        attributes,
                        {operands.x, Feed::constant(operands.w),
                         scaled ? Feed::constant(operands.scale) : Feed::absent(),
                         c.bias ? Feed::constant(operands.bias) : Feed::absent(),
                         c.residual ? Feed(operands.residual) : Feed::absent()}};
  Case rounded = c;
  rounded.x_scale = round_to(DType::f32, c.x_scale);
  rounded.alpha = round_to(DType::f32, c.alpha);
  rounded.y_scale = round_to(DType::f32, c.y_scale);
  return {solve(backend, problem), exact(rounded, operands)};
}

void check_case(const std::string& backend, const Case& c) {
  SCOPED_TRACE(describe(c));
  const auto [result, expected] = solve_case(backend, c);
  expect_close(result, expected);
}

void check_sizes(const std::string& backend, DType dtype, const Shape& rows) {
  for (const int64_t depth : {1, 2, 31, 64, 257}) {
    for (const int64_t width : {1, 5, 32, 33, 100}) {
      Case c{dtype, dtype, dtype == DType::f32 ? DType::f32 : DType::f16, rows, depth, width};
      c.scale = dtype == DType::f8e4m3 ? Case::Scale::tensor : Case::Scale::none;
      c.x_scale = dtype == DType::f8e4m3 ? 0.004 : 1;
      check_case(backend, c);
    }
  }
}

TEST_P(Linear, OddSizes) {
  for (const DType dtype : {DType::f32, DType::f16, DType::f8e4m3}) {
    for (const Shape& rows : {Shape{1}, Shape{3}, Shape{2, 7}, Shape{33}}) {
      check_sizes(GetParam(), dtype, rows);
    }
  }
}

void check_scales(const std::string& backend, DType x, DType w) {
  for (const auto scale : {Case::Scale::none, Case::Scale::tensor, Case::Scale::columns}) {
    for (const DType out : {DType::f32, DType::f16}) {
      Case c{x, w, out, {5}, 48, 40, scale};
      c.x_scale = x == DType::f8e4m3 ? 0.0021 : 1;
      // Keeps FP16 away from overflow where codes are multiplied without a scale.
      c.alpha = w == DType::f8e4m3 && scale == Case::Scale::none ? 0.001 : 1;
      check_case(backend, c);
    }
  }
}

TEST_P(Linear, DtypesOfWeightAndInput) {
  for (const DType x : {DType::f32, DType::f16, DType::f8e4m3}) {
    for (const DType w : {DType::f32, DType::f16, DType::bf16, DType::f8e4m3}) {
      check_scales(GetParam(), x, w);
    }
  }
}

void check_epilogues(const std::string& backend, const std::string& activation, DType out) {
  for (const bool bias : {false, true}) {
    for (const bool residual : {false, true}) {
      Case c{DType::f8e4m3, DType::f8e4m3, out, {2, 9}, 65, 47, Case::Scale::columns};
      c.bias = bias;
      c.residual = residual;
      c.activation = activation;
      c.x_scale = 0.0031;
      c.alpha = 0.125;
      c.y_scale = 0.013;
      check_case(backend, c);
    }
  }
}

TEST_P(Linear, Epilogues) {
  for (const std::string activation : {"none", "quick_gelu", "gelu", "gelu_tanh"}) {
    for (const DType out : {DType::f32, DType::f16, DType::f8e4m3}) {
      check_epilogues(GetParam(), activation, out);
    }
  }
}

TEST_P(Linear, EveryStepRounded) {
  for (const DType in : {DType::f16, DType::f8e4m3}) {
    for (const std::string activation : {"none", "quick_gelu", "gelu"}) {
      for (const auto& [out, residual] :
           {std::pair{DType::f16, true}, {DType::f8e4m3, true}, {DType::f8e4m3, false}}) {
        Case c{in, in, out, {23}, 65, 90, Case::Scale::tensor};
        c.bias = c.f16_steps = true;
        c.residual = residual;
        c.activation = activation;
        c.x_scale = in == DType::f8e4m3 ? 0.0031 : 1;
        c.alpha = 0.375;
        c.y_scale = 0.013;
        SCOPED_TRACE(describe(c));
        const auto [result, expected] = solve_case(GetParam(), c);
        expect_nearly_equal(result, as(out, as(DType::f32, expected)), 4);
      }
    }
  }
}

/// Values beyond FP16 and NaN become the codes that the graph's own quantizer gives them.
TEST_P(Linear, CodesOfInfinityAndNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Array x = array_of(DType::f32, {4, 1}, {1e30, -1e30, nan, 1});
  const Array w = array_of(DType::f32, {1, 1}, {1});
  for (const std::string activation : {"none", "gelu_tanh"}) {
    for (const std::string steps : {"f16", "f32"}) {
      const Array y = solve(GetParam(), {"octet",
                                         "Linear",
                                         {{"activation", activation},
                                          {"steps", steps},
                                          {"out_dtype", std::string("f8e4m3")},
                                          {"y_scale", 0.25F}},
                                         {x, Feed::constant(w)}});
      EXPECT_EQ(y[0], 448);
      EXPECT_TRUE(std::isnan(y[2]));
      if (activation == "none") {
        EXPECT_EQ(y[1], -448);
        EXPECT_EQ(y[3], 4);
      }
    }
  }
}

/// Sections of columns with a factor and an output scale each are products of their own.
TEST_P(Linear, Sections) {
  const std::vector<int64_t> widths{40, 7, 64};
  const std::vector<float> alphas{0.125F, 1, 0.5F};
  const std::vector<float> y_scales{0.013F, 0.021F, 0.008F};
  const Array x = random_array(DType::f8e4m3, {9, 33}, 10, -448, 448);
  const Array bias = random_array(DType::f16, {111}, 11);
  const Array scale = random_array(DType::f32, {111}, 12, 0.0005, 0.002);
  const Array w = random_array(DType::f8e4m3, {33, 111}, 13, -448, 448);
  const Attributes common{{"x_scale", 0.0031F}, {"out_dtype", std::string("f8e4m3")}};
  Attributes attributes = common;
  attributes["sections"] = widths;
  attributes["alpha"] = alphas;
  attributes["y_scale"] = y_scales;
  const Array whole =
      solve(GetParam(), {"octet",
                         "Linear",
                         attributes,
                         {x, Feed::constant(w), Feed::constant(scale), Feed::constant(bias)}});
  int64_t begin = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    const int64_t end = begin + widths[i];
    attributes = common;
    attributes["alpha"] = alphas[i];
    attributes["y_scale"] = y_scales[i];
    const Array part = solve(GetParam(), {"octet",
                                          "Linear",
                                          attributes,
                                          {x, Feed::constant(columns(w, begin, end)),
                                           Feed::constant(columns(scale, begin, end)),
                                           Feed::constant(columns(bias, begin, end))}});
    expect_equal(columns(whole, begin, end), part);
    begin = end;
  }
}

/// A scale so small that most results lie beyond E4M3: they saturate.
TEST_P(Linear, SaturatesCodes) {
  Case c{DType::f32, DType::f32, DType::f8e4m3, {6}, 20, 30};
  c.y_scale = 0.0005;
  check_case(GetParam(), c);
}

TEST_P(Linear, InfinityAndNanPass) {
  Array x = random_array(DType::f32, {3, 16}, 6);
  x.values[0] = std::numeric_limits<double>::quiet_NaN();
  x.values[16] = std::numeric_limits<double>::infinity();
  Array w = random_array(DType::f32, {16, 33}, 7, 0.5, 1);
  const Array y = solve(GetParam(), {"octet", "Linear", {}, {x, Feed::constant(w)}});
  expect_close(y, product(x, w));
}

TEST_P(Linear, SymbolicBatch) {
  const Array x = random_array(DType::f16, {9, 5, 33}, 8);
  const Array w = random_array(DType::f16, {33, 50}, 9);
  Prepared prepared(GetParam(),
                    Problem{"octet", "Linear", {}, {Feed(x, {"batch", 5, 33}), Feed::constant(w)}});
  for (const int64_t batch : {9, 1, 2, 7}) {
    const Array part = first_rows(x, batch);
    expect_close(prepared.run({part}).front(), product(part, w));
  }
}

}  // namespace
}  // namespace octet::suites
